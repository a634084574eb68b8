# A store path around a program that is already built: $out/bin/NAME, and, when given, a reference to another path.
#
# The program must be static, since nothing binds it to libraries of the store.
{ pkgs, name, program, reference ? null }:

pkgs.runCommand name
  {
    # A path of this machine must not get into the result, only the file's content.
    program = if builtins.isString program then builtins.path { name = name; path = program; } else program;
    inherit reference;
  } ''
  mkdir -p $out/bin
  cp "$program" $out/bin/${name}
  chmod 755 $out/bin/${name}
  if [ -n "$reference" ]; then
      mkdir -p $out/share
      echo "$reference" > $out/share/reference
  fi
''
