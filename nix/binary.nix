# Makes a store path from a program that is already built: $out/bin/NAME, and if given, a reference to another path.
#
# The program must be static, or need only `libraries` of the Debian-made set; the first one is the C library.
{ pkgs, name, program, reference ? null, libraries ? [ ] }:

pkgs.runCommand name
  {
    # Copies the file to the store, so that the result does not depend on its path on this machine.
    program = if builtins.isString program then builtins.path { name = name; path = program; } else program;
    inherit reference libraries;
  } ''
  mkdir -p $out/bin
  cp "$program" $out/bin/${name}
  chmod 755 $out/bin/${name}
  if [ -n "$libraries" ]; then
      runpath=
      for library in $libraries; do runpath=$runpath:$(echo $library/lib/*-linux-gnu); done
      set -- $libraries
      patchelf --set-interpreter "$(echo $1/lib/*-linux-gnu/ld-linux-*)" --set-rpath "''${runpath#:}" $out/bin/${name}
  fi
  if [ -n "$reference" ]; then
      mkdir -p $out/share
      echo "$reference" > $out/share/reference
  fi
''
