# glibc's phases, for build.sh. nixpkgs makes the same changes by patches.

patch_phase() {
    # Debian's directories: /lib among the defaults, and $LIB with a directory for the architecture.
    patch -R -p1 < debian/patches/any/local-ld-multiarch.diff
    # The loader takes no library from the machine's cache, and none that the machine forces on all programs.
    sed -i "s|LD_SO_CACHE SYSCONFDIR|LD_SO_CACHE \"$out/etc\"|" sysdeps/generic/dl-cache.h
    sed -i 's|"/etc/ld.so.preload"|"/etc/ld-nix.so.preload"|' elf/rtld.c
}

configure_phase() {
    mkdir ../objects
    cd ../objects
    # sysconfdir: nsswitch.conf, hosts and passwd are the machine's.
    CFLAGS=-O2 ../source/configure --prefix="$out" --sysconfdir=/etc --enable-crypt --enable-stack-protector=strong \
        --without-selinux --disable-werror --disable-build-nscd --disable-profile
}

install_phase() {
    make install sysconfdir="$out/etc"
    rm -f "$out/etc/ld.so.cache"
    # Scripts for developers; their bash would be built with this glibc.
    for script in catchsegv ldd mtrace sotruss tzselect xtrace; do rm -f "$out/bin/$script"; done

    # The kernel's headers are the machine's; a program of this set includes only what is in the store.
    cp -r /usr/include/linux /usr/include/asm-generic "$out/include/"
    cp -r "/usr/include/$(gcc -print-multiarch)/asm" "$out/include/"

    # libc loads it when a thread ends early.
    cp "$(gcc -print-file-name=libgcc_s.so.1)" "$out/lib/"

    "$out/sbin/iconvconfig"
    mkdir -p "$out/lib/locale"
    # C.utf8 is a directory, as in nixpkgs; the others are in the archive.
    I18NPATH=$out/share/i18n "$out/bin/localedef" --no-archive -i C -f UTF-8 "$out/lib/locale/C.utf8" || [ $? = 1 ]
    for locale in en_US.UTF-8 de_DE.UTF-8 tr_TR.UTF-8 ja_JP.EUC-JP; do
        I18NPATH=$out/share/i18n "$out/bin/localedef" -i "${locale%.*}" -f "${locale#*.}" "$locale"
    done
}
