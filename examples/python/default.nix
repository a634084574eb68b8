# A program in Python with its interpreter and the standard library.
{ pkgs }:

pkgs.runCommand "python-example" { source = ./python-example.py; python = pkgs.python3; } ''
  mkdir -p $out/bin
  # -I: nothing of the caller's Python gets in. -B: nothing is written beside the modules.
  { echo "#!$python/bin/python3 -IB"; cat "$source"; } > $out/bin/python-example
  chmod +x $out/bin/python-example
''
