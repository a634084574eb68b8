# Binds ELF files to the store: the interpreter, and a RUNPATH with exactly the directories of the needed libraries,
# so that the references between store paths are those the programs have. Nothing is left to the machine's libraries:
# the loader in the libc6 path (see libc.sh) has no default directories, and check_all asks it to resolve every file.

loader=
for place in "$out" $dependencies; do
    for file in "$place"/lib/"$triplet"/ld-linux-*.so.*; do
        [ -e "$file" ] && loader=$file
    done
done

elf_files() {
    # Read as records that end with a zero byte, so that ^ is the start of the file or of few other places.
    find "$out" -type f -exec grep -lazP '^\x7fELF[\x01\x02]' {} + | while read -r file; do
        if patchelf --print-needed "$file" >/dev/null 2>&1; then
            echo "$file"
        fi
    done
}

bind_all() {
    elf_files > "$TMPDIR/elf-files"
    find "$out" $dependencies -name '*.so*' ! -type d -printf '%f %h\n' > "$TMPDIR/libraries"
    while read -r file; do
        bind "$file"
    done < "$TMPDIR/elf-files"
}

bind() { # FILE
    case $1 in "$loader") return ;; esac
    needed=$(patchelf --print-needed "$1")
    # libc loads it by itself when a thread ends early.
    case $1 in */libc.so.6) needed="$needed libgcc_s.so.1" ;; esac
    runpath=$(printf '%s\n' $needed | awk 'NR == FNR { if (!($1 in at)) at[$1] = $2; next }
        $1 in at && !(at[$1] in seen) { seen[at[$1]] = 1; path = path ":" at[$1] }
        END { print substr(path, 2) }' "$TMPDIR/libraries" -)
    set --  "$1"
    if patchelf --print-interpreter "$1" >/dev/null 2>&1; then
        patchelf --set-interpreter "$loader" "$1"
    fi
    if [ -n "$runpath" ]; then
        patchelf --set-rpath "$runpath" "$1"
    fi
}

# Fails the build when a file has its interpreter or a library outside the store, or no library at all.
check_all() {
    # libgcc_s, which libc6 itself refers to: it is loaded into processes that have libc already.
    [ -n "$loader" ] || return 0
    while read -r file; do
        [ "$file" != "$loader" ] || continue
        # The status tells of missing libraries, the lines of those found elsewhere: `NAME => PATH (ADDRESS)`. An emulator's
    # vdso has no name.
        status=0
        env -i $emulator "$loader" --list "$file" > "$TMPDIR/list" 2>&1 || status=$?
        if [ "$status" != 0 ] || grep -vE "^[[:space:]]+(linux-vdso\\.so|\\(0x|(.* => )?$NIX_STORE/[^ ]+ \\(0x|statically linked)" "$TMPDIR/list"; then
            [ "$status" = 0 ] || cat "$TMPDIR/list"
            echo "nix/debian: $file needs what is not in the store (see above)" >&2
            echo "hint: the library's package is missing in the dependencies of $name" >&2
            exit 1
        fi
        program=$(patchelf --print-interpreter "$file" 2>/dev/null || echo none)
        case $program in none | "$NIX_STORE"/*) ;; *)
            echo "nix/debian: $file has the interpreter $program" >&2
            echo "hint: elf.sh should have set it to $loader" >&2
            exit 1
            ;;
        esac
    done < "$TMPDIR/elf-files"
    find "$out" -type f -perm /111 -exec grep -lIm1 '^#!' {} + | while read -r file; do
        read -r line < "$file"
        case $line in '#!'"$NIX_STORE"/* | [!#]*) ;; *)
            echo "nix/debian: $file is run by ${line#??}, outside the store" >&2
            echo "hint: scripts.sh should have found it an interpreter" >&2
            exit 1
            ;;
        esac
    done
}
