# Builder: one program in C, linked against a C library of the store, with loaders beside it.
#
# From Nix: source, CC, libc, and what loaders.sh needs.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

. "$loadersScript"
mkdir "$out/bin"
program=$out/bin/asks
# A driver needs them all, and looks for none by itself.
$CC -s -O1 -Wall -Werror -D_GNU_SOURCE -o "$program" "$source" -Wl,--no-as-needed -ldl -lm -lpthread -lrt
for loader in "$libc/lib/$triplet"/ld-linux-*.so.* "$libc"/lib/ld-musl-*.so.*; do
    [ ! -e "$loader" ] || patchelf --set-interpreter "$loader" --set-rpath "${loader%/*}" "$program"
done
bind_driver "$program"
exit 0
