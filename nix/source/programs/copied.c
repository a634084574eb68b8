/* Prints a file, NAME, under copies of its name: compilers make constants of 8 or 16 bytes of such copies. */
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) static int print(const char *name) {
    char line[256];
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
    char copied[256], moved[256];
    char initial[256] = NAME;
    strcpy(copied, NAME);
    memcpy(moved, NAME, sizeof NAME);
    return print(copied) | print(moved) | print(initial);
}
