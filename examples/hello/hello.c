/* Prints the greeting, which is in another store path. */
#include <stdio.h>

int main(void)
{
    char line[256];
    FILE *greeting = fopen(GREETING, "r");
    if (!greeting) {
        perror(GREETING);
        return 1;
    }
    while (fgets(line, sizeof line, greeting))
        fputs(line, stdout);
    return fflush(stdout) ? 1 : 0;
}
