# openssl's phases, for build.sh.

configure_phase() {
    # perl is the machine's: it only writes the Makefile and assembler code.
    ./Configure shared "--prefix=$out" --libdir=lib --openssldir="$out/etc/ssl" no-tests
}

install_phase() {
    make install_sw install_ssldirs
}
