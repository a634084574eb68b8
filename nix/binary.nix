# A store path around a program that is already built: $out/bin/NAME, and, when given, a reference to another path.
#
# The program must be static, or need `libraries` of the Debian-made set only, of which the first is the C library.
{ pkgs, name, program, reference ? null, libraries ? [ ] }:

pkgs.runCommand name
  {
    # A path of this machine must not get into the result, only the file's content.
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
