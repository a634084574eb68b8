/* Prints a file whose path the library gives: through a pointer to it. */
#include <stdio.h>
#include "text.h"

int main(void) {
    char name[4096], line[4096];
    snprintf(name, sizeof name, "%s/text", text_directory());
    FILE *file = fopen(name, "r");
    if (!file || !fgets(line, sizeof line, file)) {
        perror("linked");
        return 1;
    }
    fputs(line, stdout);
    return 0;
}
