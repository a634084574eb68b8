# perl's phases, for build.sh.

configure_phase() {
    # The name of the machine, the user and the time would be in Config.pm.
    sh Configure -des -Dprefix="$out" -Dcc=cc -Duseshrplib -Dusethreads -Dman1dir=none -Dman3dir=none \
        -Dusrinc="$glibc/include" -Dlocincpth= -Dlibpth="$glibc/lib" -Dglibpth="$glibc/lib" -Dloclibpth= \
        -Dmyhostname=nix -Dmydomain=.local -Dcf_email=nix@nix.local -Dperladmin=nix@nix.local -Dcf_by=nix \
        -Dcf_time='Thu Jan  1 00:00:01 UTC 1970' -Dosvers=linux -Dmyuname=linux -Dsh=/bin/sh
}
