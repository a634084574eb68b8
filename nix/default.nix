# All attributes for nix/build ATTRIBUTE.
#
# `pkgs` is the Debian-made set by default; the expressions below use only names that nixpkgs has too.
{ inputs ? ../target/nix-inputs
  # What the attributes are for, and what builds them.
, system ? builtins.currentSystem
, builder ? system
, pkgs ? import ./debian { inherit inputs system builder; }
  # For `packer` and `probe`: the program that cargo built, and a path that the probe refers to.
, program ? throw "it needs a program: nix/build probe --argstr program /path/of/a/static/program"
, reference ? null
}:

rec {
  inherit pkgs;

  # nix/build runs cargo to build it before Nix starts, since the Debian-made set has no Rust.
  markov-server = import ./binary.nix {
    inherit pkgs;
    name = "markov-server";
    program = builtins.path { name = "markov-server-program"; path = inputs + "/markov-server"; };
  };

  # The same service by hand-written scripts, with another supervisor.
  markov-circus = import ../examples/markov { inherit pkgs markov-server; supervisor = "circus"; };
  markov-slim = import ../examples/markov { inherit pkgs markov-server; supervisor = "runit"; };

  supervisor = import ./binary.nix {
    inherit pkgs;
    name = "compose";
    program = builtins.path { name = "compose-program"; path = inputs + "/compose"; };
  };
  # The closure of a composition; `packer build` packs it.
  compose = import ./compose.nix {
    inherit pkgs;
    compose = supervisor;
    bundle = { drv, ... }: drv;
    emulator = pkgs.emulator or "";
  };
  markov = import ../examples/markov/composition.nix { inherit pkgs compose markov-server; };
  worker = import ../examples/worker/composition.nix { inherit pkgs compose; };
  blog = import ../examples/blog/composition.nix {
    inherit pkgs compose;
    postgresql = "${package.postgresql-15}/lib/postgresql/15/bin";
    nginx = "${package.nginx}/bin";
  };

  # For tests/compositions.
  modular = import ../tests/compositions/modular { inherit pkgs supervisor; };

  # For tests/hosts.
  composed = import ../tests/hosts/compositions.nix { inherit pkgs compose; };

  hello = import ../examples/hello { inherit pkgs; };
  coreutils = import ../examples/coreutils { inherit pkgs; };
  python-example = import ../examples/python { inherit pkgs; };

  # Programs of many kinds, as in nix/build corpus.databases.sqlite3; corpus.all has links to all of them.
  corpus = import ./corpus { inputs = inputs + "/corpus"; inherit system builder; };

  # Programs with windows, as in nix/build desktop.yad, for tests/desktop.
  inherit (import ./corpus { inputs = inputs + "/desktop"; inherit system builder; }) desktop;

  # Any package of Debian's by its name, as in nix/build package.postgresql-15.
  package = builtins.mapAttrs
    (name: _: (import ./corpus { inputs = inputs + "/package/${name}"; inherit system builder; }).packages.${name})
    (builtins.readDir (inputs + "/package"));

  # For tests/graphics.
  graphics = import ./graphics { inherit inputs system builder; };

  # For tests/programs.
  programs = import ./programs.nix {
    inherit pkgs;
    inherit ((import ./corpus { inputs = inputs + "/programs"; inherit system builder; }).packages) busybox-static perl;
  };

  python-modules = import ./python-modules.nix { inherit pkgs; };

  packer = import ./binary.nix {
    inherit pkgs program;
    name = "packer";
    libraries = [ pkgs.libraries.libc6 pkgs.libraries.libgcc-s1 ];
  };

  # Built from source: its packages by name, as in nix/build source.python3; the examples with it; its test programs.
  source = import ./source { inputs = inputs + "/source"; wheels = inputs; inherit system; };
  source-markov = import ../examples/markov { pkgs = source; inherit markov-server; supervisor = "circus"; };
  source-python = import ../examples/python { pkgs = source; };
  source-hello = import ../examples/hello { pkgs = source; };
  source-coreutils = import ../examples/coreutils { pkgs = source; };

  probe = import ./binary.nix { inherit pkgs program reference; name = "probe"; };
}
