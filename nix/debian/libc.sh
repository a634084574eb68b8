# Makes glibc look at nothing of the machine: same length, no such place. nixpkgs patches its sources to this end.
#
# - the loader: no cache of the machine's libraries, no libraries forced on every program, no default directories;
# - libc: no character set converters of another glibc.
#
# Then no library of the host can come in, whatever is in its /etc or /lib; what a program needs is in its RUNPATH.
sed -i \
    -e 's|/etc/ld\.so\.cache|/nix/ld.so.cache|g' \
    -e 's|/etc/ld\.so\.preload|/nix/ld.so.preload|g' \
    -e "s|/usr/lib/$triplet/|/nix/lib/$triplet/|g" \
    -e "s#\(^\|[^x]\)/lib/$triplet/#\1/nix/$triplet/#g" \
    -e 's|\x00/usr/lib/\x00|\x00/nix/lib/\x00|g' \
    -e 's|\x00/lib/\x00|\x00/nix/\x00|g' \
    "$loader"
sed -i "s|/usr/lib/$triplet/gconv|/nix/lib/$triplet/gconv|g" "$out/lib/$triplet/libc.so.6"
