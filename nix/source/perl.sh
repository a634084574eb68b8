# perl's phases, for build.sh.

patch_phase() {
    # The machine's directories, in which it would look for libraries.
    sed -i -E "s,^(locincpth|loclibpth|glibpth|xlibpth)=.*,\1=''," Configure
}

configure_phase() {
    # The name of the machine, the user and the time would be in Config.pm.
    sh Configure -des -Dprefix="$out" -Dcc=cc -Duseshrplib -Dusethreads -Dman1dir=none -Dman3dir=none \
        -Dusrinc="$glibc/include" -Dlibpth="$glibc/lib" -Dplibpth="$glibc/lib" -Dlibc="$glibc/lib/libc.so.6" \
        -Dmyhostname=nix -Dmydomain=.local -Dcf_email=nix@nix.local -Dperladmin=nix@nix.local -Dcf_by=nix \
        -Dcf_time='Thu Jan  1 00:00:01 UTC 1970' -Dosvers=linux -Dmyuname=linux -Dsh=/bin/sh
}

install_phase() {
    make install
    # As nixpkgs does: it lists what was installed.
    rm "$out"/lib/*/*/.packlist
}
