# A package set made of Debian packages and Python wheels, with the names of nixpkgs: the Debian-made set.
#
# It is for machines that reach a Debian mirror but no binary cache. It needs no nixpkgs and no compiler: the builders
# are shell scripts that use dpkg-deb, patchelf, tar and coreutils of the machine. nix/fetch fills the directory
# `inputs`.
{ inputs
  # What the packages are for.
, system ? builtins.currentSystem
  # What makes them.
, builder ? system
}:

let

  lock = builtins.fromJSON (builtins.readFile (inputs + "/lock.json"));

  inherit (import ./names.nix { inherit inputs system builder; }) triplet emulator legal source programVersion;

  unique = builtins.foldl' (seen: x: if builtins.elem x seen then seen else seen ++ [ x ]) [ ];

  # Makes one store path from the .deb files of a program. `extra` has the interpreters of its scripts.
  deb = { name, debs ? [ name ], extra ? [ ], ... }@options:
    let
      entries = map (deb: lock.debian.${deb}) debs;
      depends = builtins.filter (d: !builtins.elem d debs) (unique (builtins.concatMap (e: e.depends) entries));
    in
    derivation ({
      name = "${name}-${programVersion (builtins.head entries).version}";
      inherit triplet emulator;
      system = builder;
      builder = "/bin/sh";
      args = [ "-e" ./build-deb.sh ];
      elf = ./elf.sh;
      layout = ./layout.sh;
      scripts = ./scripts.sh;
      sources = map source entries;
      dependencies = map (d: libraries.${d}) depends ++ extra;
    } // removeAttrs options [ "name" "debs" "extra" ]);

  # Each package of the lock file as a store path; Nix builds only those that are used.
  libraries = builtins.mapAttrs (name: _: deb { inherit name; }) lock.debian // {
    libc6 = deb { name = "libc6"; fixup = ./libc.sh; };
  };

  # The Debian packages that make up Python: one package in nixpkgs, seven in Debian.
  pythonDebs = [ "python3" ] ++ builtins.filter
    (name: name != "python3" && lock.debian.${name}.section == "python")
    (builtins.attrNames lock.debian);

  wheel = import ./wheel.nix { inherit builder triplet emulator lock source legal python3; };

  derive = name: environment: script: derivation ({
    inherit name;
    system = builder;
    builder = "/bin/sh";
    args = [ "-e" "-c" "PATH=/usr/bin:/bin; umask 022; eval \"$script\"" ];
    script = script;
  } // environment);

  bash = deb {
    name = "bash";
    # bashbug needs the paths of a compiler and a mailer.
    unwanted = "bin/bashbug";
    install = "ln -s bash $out/bin/sh";
  };

  python3 = deb {
    name = "python3";
    debs = pythonDebs;
    extra = [ bash ];
    fixup = ./compile-python.sh;
  };
in
rec {
  inherit bash python3 libraries emulator;

  coreutils = deb { name = "coreutils"; };
  redis = deb { name = "redis"; debs = [ "redis-server" "redis-tools" ]; };
  runit = deb { name = "runit"; extra = [ bash ]; };

  circus = wheel { name = "circus"; wheels = [ psutil pyzmq tornado ]; programs = true; };
  psutil = wheel { name = "psutil"; };
  tornado = wheel { name = "tornado"; };
  # Its wheel contains libzmq, which is C++.
  pyzmq = wheel { name = "pyzmq"; dependencies = [ libraries."libstdc++6" libraries.libgcc-s1 ]; };
  python3Packages = { inherit circus psutil pyzmq tornado; python = python3; };

  runtimeShell = "${bash}/bin/bash";
  runCommand = derive;
  # Uses the compiler of the machine. Programs must be static: at run time, they cannot find the machine's libraries.
  runCommandCC = name: environment: derive name ({ CC = if emulator == "" then "cc" else "${triplet}-gcc"; } // environment);
  pkgsStatic = { inherit runCommandCC; };

  inherit (import ./writers.nix { inherit runCommand runtimeShell; }) writeText writeShellScript writeShellScriptBin;
}
