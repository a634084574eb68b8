# Copies loaders of drivers to $out/lib, and has them look in /run/opengl-driver as nixpkgs' do.
#
# From Nix: loaders (store paths of Debian's libraries), triplet, replace.

# Puts $out/lib in front of what an ELF file looks in, and the driver's directory last: nixpkgs' addDriverRunpath.
bind_driver() { # FILE
    patchelf --set-rpath "$out/lib:$(patchelf --print-rpath "$1"):/run/opengl-driver/lib" "$1"
}

mkdir -p "$out/lib"
for place in $loaders; do
    cp -a "$place/lib/$triplet"/lib*.so.* "$out/lib/"
done
find "$out/lib" -type f | while read -r file; do
    chmod u+w "$file"
    bind_driver "$file"
    case ${file##*/} in
    libEGL.so.1.*) perl "$replace" /etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d /run/opengl-driver/share/glvnd/egl_vendor.d "$file" ;;
    # nixpkgs sets SYSCONFDIR, in which there is no room. This one is looked at if XDG_DATA_DIRS is not set.
    libvulkan.so.1.*) perl "$replace" /usr/local/share:/usr/share /run/opengl-driver/share "$file" ;;
    esac
done
