# Builder: unpacks .deb files into $out, with every program and library bound to the store.
#
# From Nix: sources (the .deb files), dependencies (store paths that may be referred to), triplet, emulator (what runs
# programs for another processor type), and the parts below.
# Optional: unwanted (files to leave out), install (commands), fixup (a script that runs when all is bound).
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

root=$PWD/root
mkdir "$root"
for deb in $sources; do
    # Owners and set-user-id bits are dropped by Nix.
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner
done

. "$layout"
for file in ${unwanted:-}; do
    rm "$out/$file"
done
eval "${install:-}"
unbound() { # SCRIPT INTERPRETER
    echo "nix/debian: $1 needs the interpreter $2, which no dependency has" >&2
    echo "hint: name its package in 'extra', or the file in 'unwanted', in nix/debian/default.nix" >&2
    exit 1
}
. "$scripts"
. "$elf"
bind_all
if [ -n "${fixup:-}" ]; then
    . "$fixup"
fi
check_all
