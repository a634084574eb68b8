# For tests: programs that look at argv[0], or for what is beside them.
{ pkgs, busybox-static, perl }:

let
  derive = name: script: pkgs.runCommand name
    {
      inherit (pkgs) bash coreutils;
      inherit perl;
      busybox = busybox-static;
      modules = perl.places;
      makeWrapper = ./source/make-wrapper.sh;
    } ''
    mkdir -p $out/bin
    ${script}
  '';

  # A script with a module that it finds by its own path; all other modules are Debian's, from the store.
  greet = ''
    mkdir $out/lib
    echo 'package Greeting; sub text { "hello, @_" } 1;' > $out/lib/Greeting.pm
    directories=
    for place in $modules; do
        for directory in $place/lib/*/perl-base $place/lib/*/perl/5.* $place/share/perl/5.*; do
            [ ! -d $directory ] || directories="$directories $directory"
        done
    done
    cat > $out/bin/greet <<END
    #!$perl/bin/perl
    BEGIN { @INC = qw($directories) }
    use FindBin;
    use lib "\$FindBin::Bin/../lib";
    use Greeting;
    print "\$0\n\$FindBin::Bin\n\$INC{'FindBin.pm'}\n", Greeting::text(@ARGV), "\n";
    END
    chmod +x $out/bin/greet
  '';
in
{
  inherit busybox-static;

  # With a link for each applet, as nixpkgs has it; Debian's package has none.
  busybox = derive "busybox" ''
    cp $busybox/bin/busybox $out/bin/busybox
    for applet in $($out/bin/busybox --list); do
        [ $applet = busybox ] || ln -s busybox $out/bin/$applet
    done
  '';

  perl = derive "greet" greet;

  # Both kinds behind wrappers: a script, and a program that looks at argv[0].
  wrapped = derive "wrapped" ''
    ${greet}
    cp $busybox/bin/busybox $out/bin/sort
    . $makeWrapper
    wrap_shell $out/bin/greet $coreutils/bin
    wrap_shell $out/bin/sort $coreutils/bin
  '';
}
