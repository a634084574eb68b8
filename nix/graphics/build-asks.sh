# Builder: one program in C, linked against a C library of the store, with loaders beside it.
#
# From Nix: source, CC, libc, and what loaders.sh needs.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

. "$loadersScript"
mkdir "$out/bin"
program=$out/bin/asks
$CC -s -O1 -Wall -Werror -D_GNU_SOURCE -o "$program" "$source"
if [ "$CC" = musl-gcc ]; then
    # The loader is the library. Its package has a script, whose shell needs glibc.
    cp "$libc"/lib/ld-musl-*.so.1 "$out/lib/"
    libraries=$out/lib
else
    libraries=$libc/lib/$triplet
    # NVIDIA's libraries need them. The loader of nixpkgs looks for them where it is itself, this one only here.
    for library in libdl.so.2 libm.so.6 libpthread.so.0 librt.so.1; do
        patchelf --add-needed "$library" "$program"
    done
fi
patchelf --set-interpreter "$(echo "$libraries"/ld-*.so.*)" --set-rpath "$libraries" "$program"
bind_driver "$program"
exit 0
