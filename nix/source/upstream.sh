# For build.sh: the source without Debian's patches.
unpack_phase() {
    mkdir package
    set -- $names
    for file in $files; do
        ln -s "$file" "package/$1"
        shift
    done
    dpkg-source --no-check --skip-patches -x package/*.dsc source
    cd source
}
