/* A library with a store path of its own. TEXT is the directory of its data, a constant. */
#include <string.h>
#include "text.h"

const char *text_directory(void) { return TEXT; }

void text_file(char *name) { strcpy(name, TEXT "/text"); }
