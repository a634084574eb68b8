# markov as a composition: redis and the server, with the supervisor of nix/compose.nix.
{ pkgs
, compose
, markov-server
, server ? "${markov-server}/bin/markov-server"
  # Where a server that cannot use a socket finds redis, as in "127.0.0.1:6379"; MARKOV_REDIS_PORT is another port.
, redisAddr ? ""
, name ? "markov"
, ...
}@options:

let
  # The host and the port, or null.
  tcp = builtins.match "(.*):([0-9]+)" redisAddr;
  host = builtins.elemAt tcp 0;
in
compose ({
  inherit name;
  stateVariable = "MARKOV_DATA_DIR";
  variables = {
    MARKOV_LISTEN_ADDR = "localhost:8000";
    MARKOV_TIMEOUT = "720";
  } // (if tcp == null then { } else { MARKOV_REDIS_PORT = builtins.elemAt tcp 1; });
  services.redis = {
    argv = [ "${pkgs.redis}/bin/redis-server" "%RUN%/redis.conf" ];
    # A locale of the caller's that is not in the closure would be refused.
    env.LC_ALL = "C";
    # The append-only file alone keeps the data.
    configs."redis.conf" = ''
      ${if tcp == null then "port 0" else "bind ${host}\nport %MARKOV_REDIS_PORT%"}
      unixsocket %RUN%/redis.sock
      unixsocketperm 700
      daemonize no
      save ""
      appendonly yes
      appendfilename "markov.data"
    '';
    ready.unix = "redis.sock";
    restart = "always";
  };
  services.server = {
    argv = [ server "-listenAddr" "%MARKOV_LISTEN_ADDR%" "-timeout" "%MARKOV_TIMEOUT%" "-redisAddr" ]
      ++ [ (if tcp == null then "%RUN%/redis.sock" else "${host}:%MARKOV_REDIS_PORT%") ];
    after = [ "redis" ];
    ready.http = "http://%MARKOV_LISTEN_ADDR%/generate?numParts=1";
    restart = "always";
  };
} // removeAttrs options [ "pkgs" "compose" "markov-server" "server" "redisAddr" "name" ])
