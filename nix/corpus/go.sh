# What Go links dynamically crashes with a RUNPATH: patchelf makes its dynamic section read-only. Here it gets the loader
# only, and LD_LIBRARY_PATH names the libraries.
find "$out" -type f -perm /111 -exec grep -laF '.note.go.buildid' {} + | while read -r file; do
    old=$root/usr${file#"$out"}
    if [ -e "$old" ] && patchelf --print-interpreter "$old" >/dev/null 2>&1; then
        cp "$old" "$file"
        patchelf --set-interpreter "$loader" "$file"
    fi
done
