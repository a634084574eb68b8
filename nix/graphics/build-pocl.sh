# Builder: the layout of /run/opengl-driver for OpenCL alone.
#
# From Nix: library (the store path of Debian's pocl), triplet.
PATH=/usr/bin:/bin
umask 022

mkdir -p "$out/etc/OpenCL/vendors"
echo "$library/lib/$triplet"/libpocl.so.2 > "$out/etc/OpenCL/vendors/pocl.icd"
exit 0
