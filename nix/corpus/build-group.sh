# Builder: unpacks the .deb files of one source package into $out, and binds programs, libraries and texts to the store.
#
# From Nix: sources (the .deb files), dependencies (store paths that may be referred to), triplet, and the parts below.
# As nix/debian/build-deb.sh, but what cannot be bound stays as it is: nobody looks at all of these packages.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

root=$PWD/root
mkdir "$root"
for deb in $sources; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner
done

mkdir -p "$out"
unbound() { # SCRIPT
    chmod a-x "$1"
}
. "$layout"
. "$scripts"
perl "$texts" "$out" $dependencies
. "$elf"
bind_all
if [ -n "${fixup:-}" ]; then
    . "$fixup"
fi

# Modules of Python are compiled, as in nixpkgs.
for place in $dependencies "$out"; do
    for python in "$place"/bin/python3 "$place"/bin/python3.*[0-9]; do
        if [ -x "$python" ] && [ -d "$out/lib/python3" ] || [ "$place" = "$out" ] && [ -x "$python" ]; then
            PYTHONHASHSEED=0 $emulator "$python" -IB -m compileall -qq -f -j 1 --invalidation-mode unchecked-hash "$out/lib" || true
        fi
    done
done
exit 0
