/* Prints files whose paths it copies: compilers make constants of 8 or 16 bytes of such copies. */
#include <stdio.h>
#include <string.h>
#include "text.h"

static int print(const char *name) {
    char line[4096];
    FILE *file = fopen(name, "r");
    if (!file || !fgets(line, sizeof line, file)) {
        perror("copied");
        return 1;
    }
    fputs(line, stdout);
    fclose(file);
    return 0;
}

int main(void) {
    char copied[256], moved[256], given[256];
    char initial[256] = TEXT "/text";
    strcpy(copied, TEXT "/text");
    memcpy(moved, TEXT "/text", sizeof TEXT "/text");
    text_file(given);
    return print(copied) | print(moved) | print(given) | print(initial);
}
