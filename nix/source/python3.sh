# python3's phases, for build.sh.

unpack_phase() {
    mkdir package
    set -- $names
    for file in $files; do
        ln -s "$file" "package/$1"
        shift
    done
    # Debian's patches move modules to dist-packages.
    dpkg-source --no-check --skip-patches -x package/*.dsc source
    cd source
}

patch_phase() {
    # The machine's own directories for headers and libraries.
    sed -i 's/^    def add_multiarch_paths(self):/&\n        return/' setup.py
}

configure_phase() {
    # setup.py looks for libraries itself; as in nixpkgs, it is told.
    for input in $inputs; do
        CPPFLAGS="${CPPFLAGS:-} -I$input/include" LDFLAGS="${LDFLAGS:-} -L$input/lib"
    done
    export CPPFLAGS LDFLAGS
    ./configure --prefix="$out" --enable-shared --with-openssl="$openssl" --with-system-ffi --without-ensurepip
}

install_phase() {
    make install
    ln -s python3 "$out/bin/python"
    # As in nixpkgs: with SOURCE_DATE_EPOCH, each module is compiled with a digest of its source that imports check.
    find "$out" -name __pycache__ -prune -exec rm -r {} +
    # Some of Python's tests are files that do not compile.
    PYTHONHASHSEED=0 "$out/bin/python3" -IB -m compileall -q -f -j 1 "$out/lib" > "$TMPDIR/compiled" 2>&1 || true
}
