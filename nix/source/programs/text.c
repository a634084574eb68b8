/* A library with a store path of its own. TEXT is the directory of its data. */
#include "text.h"

const char *text_directory(void) { return TEXT; }
