# Everything that can be built here: nix/build ATTRIBUTE.
#
# `pkgs` is the Debian-made set unless another is given; the expressions below use names that nixpkgs has, too.
{ inputs ? ../target/nix-inputs
, system ? builtins.currentSystem
, pkgs ? import ./debian { inherit inputs system; }
  # For `probe`: a static program, and a path it shall refer to.
, program ? throw "probe needs a program: nix/build probe --argstr program /path/of/a/static/program"
, reference ? null
}:

rec {
  inherit pkgs;

  # Built by cargo before Nix starts (nix/build does that), since there is no Rust in the Debian-made set.
  markov-server = import ./binary.nix {
    inherit pkgs;
    name = "markov-server";
    program = builtins.path { name = "markov-server-program"; path = inputs + "/markov-server"; };
  };

  markov = import ../examples/markov { inherit pkgs markov-server; supervisor = "circus"; };
  markov-slim = import ../examples/markov { inherit pkgs markov-server; supervisor = "runit"; };
  hello = import ../examples/hello { inherit pkgs; };
  coreutils = import ../examples/coreutils { inherit pkgs; };
  python-example = import ../examples/python { inherit pkgs; };

  python-modules = import ./python-modules.nix { inherit pkgs; };

  probe = import ./binary.nix { inherit pkgs program reference; name = "probe"; };
}
