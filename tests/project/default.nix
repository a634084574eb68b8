# What stands for somebody's project in the tests. Its programs are made by the machine's shell, of nothing else.
{ system ? builtins.currentSystem }:

let
  # Of each copy of the project another one: what it builds was never built before.
  stamp = builtins.readFile ./stamp;

  make = name: script: attributes: derivation ({
    inherit name system;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
  } // attributes);

  # bin/NAME prints its name and its arguments, and refers to `parts`.
  program = name: parts: make name ''
    echo "making $name" >&2
    mkdir -p $out/bin
    { echo '#!/bin/sh'; echo 'read -r name <'"$text"; echo 'echo "$name" "$@"'; } > $out/bin/$name
    chmod +x $out/bin/$name
    cp "$parts" $out/parts
  '' {
    text = builtins.toFile "text" "${name} ${stamp}";
    parts = builtins.toFile "parts" (builtins.concatStringsSep "\n" parts);
  };
in
{
  hello = program "hello" [ ];
  other = program "other" [ ];
  many = program "many" (builtins.genList (n: builtins.toFile "part" (toString n)) 2000);

  several = make "several" ''
    mkdir -p $bin/bin $man/share
    { echo '#!/bin/sh'; echo 'echo several'; } > $bin/bin/several
    chmod +x $bin/bin/several
    echo "$stamp" > $man/share/page
  '' { inherit stamp; outputs = [ "bin" "man" ]; };

  broken = make "broken" ''
    echo "main.c: no such thing as $stamp" >&2
    exit 3
  '' { inherit stamp; };
}
