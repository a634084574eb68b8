/* Copies of two paths, as C programs make them; prints the two files, twice. */
#include <stdio.h>
#include <string.h>
__attribute__((noinline)) void text(char *b) { strcpy(b, DEP "/etc/text"); }
__attribute__((noinline)) void more(char *b) { memcpy(b, DEP "/etc/more", sizeof DEP "/etc/more"); }
static int show(const char *p) {
    FILE *f = fopen(p, "r"); char l[80];
    if (!f) { perror(p); return 1; }
    fputs(fgets(l, 80, f), stdout); return 0;
}
#ifdef COMPARE
/* A comparison that compilers make with constants. */
__attribute__((noinline)) int is_it(const char *b) { return memcmp(b, DEP, 16) == 0; }
#else
static int is_it(const char *b) { return b[0] == '/'; }
#endif
int main(void) {
    char b[200], c[] = DEP "/etc/text"; int bad;
    if (!is_it(c)) return 1;
    text(b); bad = show(b); more(b); bad |= show(b); bad |= show(c);
    return bad | show(DEP "/etc/more");
}
