# Builder: one program in C, linked against a C library of the store, with loaders beside it.
#
# From Nix: source, libc, and what loaders.sh needs.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

. "$loadersScript"
mkdir "$out/bin"
program=$out/bin/asks
musl=$(echo "$libc/lib"/ld-musl-*)
if [ -e "$musl" ]; then
    musl-gcc -s -O1 -Wall -Werror -D_GNU_SOURCE -o "$program" "$source"
    patchelf --set-interpreter "$musl" "$program"
else
    # A driver needs them all, and looks for none by itself.
    cc -s -O1 -Wall -Werror -D_GNU_SOURCE -o "$program" "$source" -Wl,--no-as-needed -ldl -lm -lpthread -lrt
    patchelf --set-interpreter "$(echo "$libc/lib/$triplet"/ld-linux-*)" --set-rpath "$libc/lib/$triplet" "$program"
fi
bind_driver "$program"
exit 0
