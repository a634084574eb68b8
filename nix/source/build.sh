# Builder: makes a store path from a source package, with --prefix=$out.
#
# From Nix: files and names (of the source package, in the same order), cc and glibc (none for glibc itself), inputs
# (store paths with headers, libraries and interpreters), elf and scripts (of nix/debian), phases (a file, or commands,
# that replaces functions below), configureFlags, makeFlags, unwanted (files to leave out).
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022
# The times in archives and in generated files.
export SOURCE_DATE_EPOCH=1
jobs=$(nproc)

if [ -n "${cc:-}" ]; then
    PATH=$cc/bin:$PATH
    # As in nixpkgs: the wrapper of the compiler reads them. Directories that no library comes from are taken out again.
    NIX_CFLAGS_COMPILE= NIX_LDFLAGS="-Wl,-rpath,$out/lib"
    for input in ${inputs:-}; do
        if [ -d "$input/include" ]; then NIX_CFLAGS_COMPILE="$NIX_CFLAGS_COMPILE -isystem $input/include"; fi
        if [ -d "$input/lib" ]; then NIX_LDFLAGS="$NIX_LDFLAGS -L$input/lib -Wl,-rpath,$input/lib"; fi
    done
    export NIX_CFLAGS_COMPILE NIX_LDFLAGS
    export CC=cc
fi

unpack_phase() {
    mkdir package
    set -- ${names:-}
    for file in $files; do
        ln -s "$file" "package/$1"
        shift
    done
    # Applies Debian's patches. Nix has checked the digests, apt the signature.
    dpkg-source --no-check -x package/*.dsc source
    cd source
    # A patched file is no reason to generate others again.
    find . -type f -exec touch -h -d @1 {} +
}

patch_phase() { :; }
configure_phase() { ./configure --prefix="$out" ${configureFlags:-}; }
build_phase() { make -j"$jobs" ${makeFlags:-}; }
install_phase() { make install ${makeFlags:-}; }

eval "${phases:-}"

unpack_phase
patch_phase
configure_phase
build_phase
install_phase

for file in ${unwanted:-}; do
    rm -r "${out:?}/$file"
done
rm -rf "$out/share/man" "$out/share/info" "$out/share/doc" "$out/man"
# As nixpkgs has them.
if [ -d "$out/sbin" ] && [ ! -L "$out/sbin" ]; then
    mkdir -p "$out/bin"
    mv "$out/sbin"/* "$out/bin/"
    rmdir "$out/sbin"
    ln -s bin "$out/sbin"
fi

dependencies="${glibc:-} ${inputs:-}"
# The loader is in lib itself.
triplet=.
chmod -R u+w "$out"
. "$scripts"
. "$elf"
elf_files > "$TMPDIR/elf-files"
while read -r file; do
    case $(patchelf --print-rpath "$file") in
    "") continue ;;
    esac
    patchelf --shrink-rpath --allowed-rpath-prefixes "$NIX_STORE" "$file"
done < "$TMPDIR/elf-files"
check_all
# Nix ends a builder when its log closes: the last command is a builtin.
exit 0
