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
if [ "$CC" = musl-gcc ]; then
    # The loader is the library. Its package has a script, whose shell needs glibc.
    cp "$libc"/lib/ld-musl-*.so.1 "$out/lib/"
    libraries=$out/lib
else
    libraries=$libc/lib/$triplet
fi
patchelf --set-interpreter "$(echo "$libraries"/ld-*.so.*)" --set-rpath "$libraries" "$program"
bind_driver "$program"
exit 0
