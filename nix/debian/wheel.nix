# Wheels as store paths: the modules compiled, programs started with exactly the wheels they need.
{ system, triplet, lock, source, legal, python3 }:

{ name, wheels ? [ ], dependencies ? [ ], programs ? false }:
let
  entry = lock.wheels.${name};
  site = "lib/python${lock.python}/site-packages";
in
derivation {
  name = "python${lock.python}-${name}-${legal entry.version}";
  inherit system triplet python3 site programs;
  builder = "/bin/sh";
  args = [ "-e" ./build-wheel.sh ];
  elf = ./elf.sh;
  compile = ./compile-python.sh;
  wheel = source entry;
  file = entry.file;
  # The libraries that the interpreter has loaded are there for extension modules as well.
  dependencies = dependencies ++ [ python3 ] ++ python3.dependencies;
  search = map (wheel: "${wheel}/${site}") wheels;
}
