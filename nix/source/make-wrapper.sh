# Wrappers of programs, as nixpkgs' makeWrapper and makeBinaryWrapper make them.
#
#   wrap_shell FILE DIRECTORY [VARIABLE VALUE]     a bash script; bash= has the interpreter
#   wrap_binary FILE DIRECTORY [VARIABLE VALUE]    a program in C
#
# FILE becomes .FILE-wrapped beside it. The wrapper adds DIRECTORY to PATH, and sets VARIABLE.

hide() { # FILE
    hidden=${1%/*}/.${1##*/}-wrapped
    mv "$1" "$hidden"
}

wrap_shell() {
    hide "$1"
    {
        echo "#! $bash/bin/bash -e"
        echo "PATH=\${PATH:+':'\$PATH':'}"
        echo "PATH=\${PATH/':''$2'':'/':'}"
        echo "PATH='$2'\$PATH"
        echo "PATH=\${PATH#':'}"
        echo "PATH=\${PATH%':'}"
        echo "export PATH"
        if [ -n "${3:-}" ]; then echo "export $3='$4'"; fi
        echo "exec -a \"\$0\" \"$hidden\"  \"\$@\" "
    } > "$1"
    chmod +x "$1"
}

wrap_binary() {
    hide "$1"
    more=
    if [ -n "${3:-}" ]; then more="putenv(\"$3=$4\");"; fi
    cat > wrapper.c <<END
#define _GNU_SOURCE
#include <unistd.h>
#include <stdlib.h>
#include <assert.h>
#include <stdio.h>

#define assert_success(e) do { if ((e) < 0) { perror(#e); abort(); } } while (0)

void set_env_prefix(char *env, char *sep, char *prefix) {
    char *existing = getenv(env);
    if (existing) {
        char *val;
        assert_success(asprintf(&val, "%s%s%s", prefix, sep, existing));
        assert_success(setenv(env, val, 1));
        free(val);
    } else {
        assert_success(setenv(env, prefix, 1));
    }
}

int main(int argc, char **argv) {
    set_env_prefix("PATH", ":", "$2");
    $more
    argv[0] = "$1";
    return execv("$hidden", argv);
}

char * DOCSTRING = "\n\n\n# The C-code for this binary wrapper has been generated using the following command:\n\n\nmakeCWrapper '$hidden' \\\\\n    --prefix 'PATH' ':' '$2'\n\n\n";
END
    cc -Wall -Wno-unused-parameter -Os wrapper.c -o "$1"
}
