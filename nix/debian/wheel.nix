# Makes a store path from a wheel: compiles its modules, and lets its programs find only the wheels that they need.
{ builder, triplet, emulator, lock, source, legal, python3 }:

{ name, wheels ? [ ], dependencies ? [ ], programs ? false }:
let
  entry = lock.wheels.${name};
  site = "lib/python${lock.python}/site-packages";
in
derivation {
  name = "python${lock.python}-${name}-${legal entry.version}";
  inherit triplet emulator python3 site programs;
  system = builder;
  builder = "/bin/sh";
  args = [ "-e" ./build-wheel.sh ];
  elf = ./elf.sh;
  compile = ./compile-python.sh;
  wheel = source entry;
  file = entry.file;
  # Extension modules can use the libraries that the interpreter loads.
  dependencies = dependencies ++ [ python3 ] ++ python3.dependencies;
  search = map (wheel: "${wheel}/${site}") wheels;
}
