/* Linked statically with glibc, which still loads its modules from the store: a character set and a name service. */
#include <iconv.h>
#include <locale.h>
#include <langinfo.h>
#include <pwd.h>
#include <stdio.h>

int main(void) {
    char input[] = "\xe6\x97\xa5\xe6\x9c\xac", output[32], *from = input, *to = output;
    size_t left = sizeof input - 1, room = sizeof output;
    iconv_t converter = iconv_open("EUC-JP", "UTF-8");
    if (converter == (iconv_t)-1 || iconv(converter, &from, &left, &to, &room) == (size_t)-1) {
        perror("static: iconv");
        return 1;
    }
    for (char *byte = output; byte < to; byte++) printf("%02x", (unsigned char)*byte);
    putchar('\n');
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) {
        fputs("static: no locale\n", stderr);
        return 1;
    }
    puts(nl_langinfo(DAY_4));
    struct passwd *user = getpwuid(0);
    puts(user ? user->pw_name : "none");
    return 0;
}
