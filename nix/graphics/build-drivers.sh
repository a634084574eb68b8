# Builder: the layout of /run/opengl-driver, with copies of Mesa's libraries, which have their own places in them.
#
# From Nix: glx, egl, gbm, dri, vulkan (store paths of Debian's Mesa), triplet, replace.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

mkdir -p "$out/lib/dri" "$out/share/glvnd/egl_vendor.d" "$out/share/vulkan/icd.d" "$out/share/drirc.d"
cp -a "$glx/lib/$triplet"/libGLX_*.so.* "$egl/lib/$triplet"/libEGL_mesa.so.* "$gbm/lib/$triplet"/libgbm.so.* \
    "$vulkan/lib/$triplet"/libvulkan_lvp.so "$out/lib/"
cp "$dri/lib/$triplet/dri/swrast_dri.so" "$out/lib/dri/"
ln -s swrast_dri.so "$out/lib/dri/kms_swrast_dri.so"
cp "$dri"/share/drirc.d/* "$out/share/drirc.d/"
chmod -R u+w "$out"

# nixpkgs' Mesa: -Ddri-search-path, and libraries that find each other.
for file in "$out"/lib/libGLX_mesa.so.*.* "$out"/lib/libEGL_mesa.so.*.* "$out"/lib/libgbm.so.*.*; do
    perl "$replace" "/usr/lib/$triplet/dri:\\\$\${ORIGIN}/dri:/usr/lib/dri" /run/opengl-driver/lib/dri "$file"
    patchelf --set-rpath "$out/lib:$(patchelf --print-rpath "$file")" "$file"
done
sed "s,\"libEGL_mesa,\"$out/lib/libEGL_mesa," "$egl/share/glvnd/egl_vendor.d/50_mesa.json" \
    > "$out/share/glvnd/egl_vendor.d/50_mesa.json"
for file in "$vulkan"/share/vulkan/icd.d/lvp_icd.*.json; do
    sed "s,\"/[^\"]*/libvulkan_lvp.so,\"$out/lib/libvulkan_lvp.so," "$file" > "$out/share/vulkan/icd.d/${file##*/}"
done
grep -q "$out/lib" "$out"/share/vulkan/icd.d/*.json
exit 0
