{
  description = "Turns a Nix closure into one static executable that runs where there is no Nix";

  # This release has a new enough rustc: see rust-version in Cargo.toml.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs = { self, nixpkgs }:
    let
      each = make: builtins.listToAttrs (map
        (system: {
          name = system;
          value = let pkgs = nixpkgs.legacyPackages.${system}; in make pkgs (import ./nix/packer.nix { inherit pkgs; });
        }) [ "x86_64-linux" "aarch64-linux" ]);
      app = program: { type = "app"; program = "${program}"; };
    in
    {
      packages = each (pkgs: { packer, packer-all, runtime, bundle, compose, ... }:
        let markov = options: import ./nix/markov.nix ({ inherit pkgs bundle compose; } // options); in
        {
          inherit packer packer-all runtime;
          default = packer;
          # Bundles; `nix build .#markov.closure` builds the closure of one.
          markov = markov { };
          # The same by hand-written scripts.
          markov-circus = markov { supervisor = "circus"; name = "markov-circus"; };
          markov-slim = markov { supervisor = "runit"; name = "markov-slim"; };
        });

      apps = builtins.mapAttrs
        (_: packages: rec {
          default = packer;
          packer = app "${packages.packer}/bin/packer";
          markov = app packages.markov;
          markov-circus = app packages.markov-circus;
          markov-slim = app packages.markov-slim;
        })
        self.packages;

      checks = each (pkgs: { packer, runtime, bundle, ... }: {
        inherit packer runtime;
        # `hello` runs in a store that has the closure, `alone` in one that has only the bundle.
        hello = pkgs.runCommand "hello-runs" { bundle = bundle { drv = pkgs.hello; }; closure = pkgs.hello; } ''
          [ "$($bundle)" = "$($closure/bin/hello)" ] && PACKED=verify $bundle > $out
        '';
        alone = pkgs.runCommand "hello-runs-alone" { bundle = bundle { drv = pkgs.hello; }; } ''
          PACKED_CACHE=$TMPDIR/cache $bundle > $out
        '';
      });

      devShells = each (pkgs: { packer, runtime, ... }: {
        default = pkgs.mkShell {
          inputsFrom = [ packer ];
          packages = [ pkgs.clippy pkgs.rustfmt ];
          PACKER_STUB = "${runtime}/bin/runtime";
        };
      });

      lib = each (_: { bundle, compose, ... }: { inherit bundle compose; });
      # As in nix bundle --bundler github:…#aarch64-linux nixpkgs#legacyPackages.aarch64-linux.hello
      bundlers = each (_: { bundlers, ... }: bundlers);

      # Not named `packer`, which is another program in nixpkgs.
      overlays.default = final: _: { packed = import ./nix/packer.nix { pkgs = final; }; };
    };
}
