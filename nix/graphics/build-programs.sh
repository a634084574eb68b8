# Builder: programs, and the loaders that they find their drivers by.
#
# From Nix: programs (store paths); or weston (a program of the machine), and needed (the store paths of its libraries,
# the C library first); and what loaders.sh needs.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

. "$loadersScript"
mkdir "$out/bin"
for place in $programs; do
    for file in "$place"/bin/*; do
        program=$out/bin/$(basename "$file" ".$triplet")
        cp "$file" "$program"
        chmod u+w "$program"
        bind_driver "$program"
    done
done
if [ -n "${weston:-}" ]; then
    cp "$weston" "$out/bin/weston-simple-egl"
    runpath=
    for place in $needed; do runpath=$runpath:$place/lib/$triplet; done
    set -- $needed
    patchelf --set-interpreter "$(echo "$1/lib/$triplet"/ld-linux-*)" --set-rpath "${runpath#:}" "$out/bin/weston-simple-egl"
    bind_driver "$out/bin/weston-simple-egl"
fi
exit 0
