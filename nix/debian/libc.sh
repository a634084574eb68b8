# Makes glibc look at nothing of the machine: same length, no such file, and only the kernel makes files in /sys.
# nixpkgs patches its sources to this end.
#
# - the loader: no cache of the machine's libraries, no libraries forced on every program, no default directories;
# - libc: no character set converters of another glibc.
#
# Then no library of the host can come in, whatever is in its /etc or /lib; what a program needs is in its RUNPATH.
sed -i \
    -e 's|/etc/ld\.so\.cache|/sys/ld.so.cache|g' \
    -e 's|/etc/ld\.so\.preload|/sys/ld.so.preload|g' \
    -e "s|/usr/lib/$triplet/|/sys/lib/$triplet/|g" \
    -e "s#\(^\|[^x]\)/lib/$triplet/#\1/sys/$triplet/#g" \
    -e 's|\x00/usr/lib/\x00|\x00/sys/lib/\x00|g' \
    -e 's|\x00/lib/\x00|\x00/sys/\x00|g' \
    "$loader"
sed -i "s|/usr/lib/$triplet/gconv|/sys/lib/$triplet/gconv|g" "$out/lib/$triplet/libc.so.6"
