# The smallest closure with a reference in it: a static program, and the text it prints.
{ pkgs }:

let
  greeting = pkgs.writeText "greeting" ''
    Hello from a closure of two paths.
  '';
in
pkgs.pkgsStatic.runCommandCC "hello" { source = ./hello.c; inherit greeting; } ''
  mkdir -p $out/bin
  ''${CC:-cc} -O2 -static -s -DGREETING="\"$greeting\"" -o $out/bin/hello "$source"
''
