# Binds the scripts among the programs to interpreters in the store: the first of that name in this store path or a
# dependency; where there is none, `unbound SCRIPT INTERPRETER` is called. Executable scripts elsewhere (modules with a
# `#!` line, tools for package maintainers) become plain files.

interpreter() { # NAME
    for place in "$out" $dependencies; do
        if [ -x "$place/bin/$1" ]; then
            echo "$place/bin/$1"
            return
        fi
    done
    return 1
}

bind_script() { # FILE
    script=$1
    read -r line < "$script"
    # As the kernel reads it: the program and at most one argument. `env NAME` is the program NAME.
    set -f
    set -- ${line#'#!'}
    set +f
    case $1 in */env) shift ;; esac
    if ! program=$(interpreter "$(basename "$1")"); then
        unbound "$script" "$1"
        return
    fi
    shift
    sed -i "1s|.*|#!$program${1:+ $*}|" "$script"
}

# -I: text only; the first line is looked at once more, since grep finds `#!` at the start of any line.
find "$out" -type f -perm /111 -exec grep -lIm1 '^#!' {} + | while read -r file; do
    read -r first < "$file"
    case $file:$first in
    "$out"/bin/*:'#!'* | "$out"/libexec/*:'#!'* | "$out"/lib/git-core/*:'#!'*) bind_script "$file" ;;
    *:'#!'*) chmod a-x "$file" ;;
    esac
done
