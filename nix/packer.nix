# packer built with nixpkgs: its programs, and the functions that make bundles.
{ pkgs }:

let
  top = toString ../.;
  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace;

  # The files that cargo reads. Changes to other files cause no new build.
  parts = [ "Cargo.lock" "Cargo.toml" ] ++ map (member: builtins.head (builtins.match "([^/]+).*" member)) workspace.members;
  src = builtins.path {
    name = "packer-source";
    path = ../.;
    filter = path: _: dirOf path != top || builtins.elem (baseNameOf path) parts;
  };

  common = {
    inherit src;
    inherit (workspace.package) version;
    cargoLock.lockFile = ../Cargo.lock;
  };

  words = file: builtins.replaceStrings [ "\n" ] [ " " ] (builtins.readFile file);

  # nixpkgs' names of the other processor types.
  others = system: builtins.attrValues (removeAttrs
    { x86_64-linux = "gnu64"; aarch64-linux = "aarch64-multiplatform"; riscv64-linux = "riscv64"; }
    [ system ]);

  # The stub, with a package set of static programs.
  stub = static: static.rustPlatform.buildRustPackage (common // {
    pname = "packer-runtime";
    cargoBuildFlags = [ "--package=runtime" "--bin=runtime" ];
    buildFeatures = [ "stub" ];
    buildType = "stub";
    env = {
      RUSTFLAGS = words ../runtime/rustflags;
      # For zstd, which is the only C code.
      CFLAGS = words ../runtime/cflags;
    };
    # Add nothing to the stub, since it is part of every bundle.
    auditable = false;
    hardeningDisable = [ "all" ];
    dontStrip = true;
    # The stub has no standard library, and therefore no tests; packer's tests run its code.
    doCheck = false;
    meta.description = "The static program at the front of a bundle";
  });

  packerWith = stubs: pkgs.rustPlatform.buildRustPackage (common // {
    pname = "packer";
    cargoBuildFlags = [ "--package=packer" ];
    cargoTestFlags = [ "--package=packer" "--package=format" ];
    env.PACKER_STUB = builtins.concatStringsSep ":" (map (stub: "${stub}/bin/runtime") stubs);
    postInstall = ''
      share=$out/share
      mkdir -p $share/man/man1 $share/bash-completion/completions $share/zsh/site-functions $share/fish/vendor_completions.d
      $out/bin/packer completions bash > $share/bash-completion/completions/packer
      $out/bin/packer completions zsh > $share/zsh/site-functions/_packer
      $out/bin/packer completions fish > $share/fish/vendor_completions.d/packer.fish
      $out/bin/packer man > $share/man/man1/packer.1
      for command in build inspect verify extract push pull cache unit; do
        $out/bin/packer man $command > $share/man/man1/packer-$command.1
      done
    '';
    meta = {
      description = "Turns a Nix closure into one static executable";
      mainProgram = "packer";
      platforms = [ "x86_64-linux" "aarch64-linux" ];
    };
  });
in
rec {
  # The stub for this machine, built as in packer/build.rs, but with the musl compilers of nixpkgs.
  runtime = stub pkgs.pkgsStatic;

  packer = packerWith [ runtime ];

  # With stubs for all processor types; the compilers for the others are built first.
  packer-all = packerWith ([ runtime ] ++ map (name: stub pkgs.pkgsCross.${name}.pkgsStatic) (others runtime.system));

  # The program that runs the services of a composition. Static, as it is part of each.
  supervisor = pkgs.pkgsStatic.rustPlatform.buildRustPackage (common // {
    pname = "compose";
    cargoBuildFlags = [ "--package=compose" ];
    cargoTestFlags = [ "--package=compose" ];
    buildType = "stub";
    auditable = false;
    meta.description = "Runs the services of a composition";
  });

  # Before nixpkgs 25.05, the drivers are an output of their own.
  mesa = pkgs.mesa.drivers or pkgs.mesa;
  bundle = import ./bundle.nix { inherit packer mesa; };
  compose = import ./compose.nix { inherit pkgs bundle; compose = supervisor; };
  bundler = import ./bundler.nix { inherit bundle; };

  # For what is built for other systems: `nix bundle` asks only for a bundler of the machine that packs.
  bundlers = { default = bundler; } // builtins.listToAttrs (map
    (system: {
      name = system;
      value = import ./bundler.nix { inherit system; bundle = import ./bundle.nix { packer = packer-all; }; };
    })
    [ "x86_64-linux" "aarch64-linux" "riscv64-linux" ]);
}
