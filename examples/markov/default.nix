# markov: redis, the server, and a supervisor as one program, bin/markov.
#
# `pkgs` is nixpkgs or the Debian-made set of nix/debian; only names that both have are used. `markov-server` has
# bin/markov-server. `redisAddr` is where a server that cannot use a socket finds redis, as in "127.0.0.1:6379".
{ pkgs
, markov-server
, server ? "${markov-server}/bin/markov-server"
, supervisor ? "circus"
, redisAddr ? ""
}:

let
  tools = ''
    coreutils=${pkgs.coreutils}/bin
    redis=${pkgs.redis}/bin
  '';

  start = {
    redis = pkgs.writeShellScript "start-redis" (tools + builtins.readFile ./start-redis.sh);
    server = pkgs.writeShellScript "start-markov-server" ''
      ${tools}
      server=${server}
      ${builtins.readFile ./start-server.sh}
    '';
  };

  supervise = {
    circus = ''
      circusd=${pkgs.circus}/bin/circusd
      hooks=${pkgs.runCommand "markov-circus-hooks" { hooks = ./circus_hooks.py; } ''
        mkdir $out
        cp "$hooks" $out/markov_circus_hooks.py
      ''}
      ${builtins.readFile ./circus.sh}
    '';
    runit = ''
      runit=${pkgs.runit}/bin
      ${builtins.readFile ./runit.sh}
    '';
  }.${supervisor} or (throw "examples/markov: supervisor is circus or runit, not ${supervisor}");
in
pkgs.writeShellScriptBin "markov" ''
  ${tools}
  start_redis=${start.redis}
  start_server=${start.server}
  default_redis_addr=${redisAddr}
  ${builtins.readFile ./entrypoint.sh}
  ${supervise}
''
