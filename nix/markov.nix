# markov as a bundle, with the original service: its REST server in Go, redis, and a supervisor.
#
# `pkgs` is nixpkgs, or the Debian-made set of nix/debian. The latter has no Go: give it the `markov-server` from
# examples/markov/server. It is the composition of examples/markov; `supervisor` takes the scripts there instead.
{ pkgs
, bundle
, compose
  # Or "circus", or "runit".
, supervisor ? null
, markov-server ? pkgs.buildGoModule {
    pname = "markov";
    version = "0-unstable-618b666";
    src = pkgs.fetchFromGitHub {
      owner = "mediocregopher";
      repo = "markov";
      rev = "618b666484566de71f2d59114d011ff4621cf375";
      sha256 = "1sx9dr1q3vr3q8nyx3965x6259iyl85591vx815g1xacygv4i4fg";
    };
    vendorHash = "sha256:048wygrmv26fsnypsp6vxf89z3j0gs9f1w4i63khx7h134yxhbc6";
  }
, server ? "${markov-server}/bin/markov"
  # The original server can reach redis only through a TCP port.
, redisAddr ? "127.0.0.1:6379"
, name ? "markov"
}:

if supervisor == null then
  import ../examples/markov/composition.nix { inherit pkgs compose markov-server server redisAddr name; }
else
  bundle {
    inherit name;
    drv = import ../examples/markov { inherit pkgs markov-server server supervisor redisAddr; };
    entry = "/bin/markov";
  }
