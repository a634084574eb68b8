# markov as a composition: redis and the server, with the supervisor of nix/compose.nix.
{ pkgs, compose, markov-server, server ? "${markov-server}/bin/markov-server", name ? "markov", ... }@options:

compose ({
  inherit name;
  stateVariable = "MARKOV_DATA_DIR";
  variables = {
    MARKOV_LISTEN_ADDR = "localhost:8000";
    MARKOV_TIMEOUT = "720";
  };
  services.redis = {
    argv = [ "${pkgs.redis}/bin/redis-server" "%RUN%/redis.conf" ];
    # A locale of the caller's that is not in the closure would be refused.
    env.LC_ALL = "C";
    # The append-only file alone keeps the data.
    configs."redis.conf" = ''
      port 0
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
    argv = [ server "-listenAddr" "%MARKOV_LISTEN_ADDR%" "-timeout" "%MARKOV_TIMEOUT%" "-redisAddr" "%RUN%/redis.sock" ];
    after = [ "redis" ];
    ready.http = "http://%MARKOV_LISTEN_ADDR%/generate?numParts=1";
    restart = "always";
  };
} // removeAttrs options [ "pkgs" "compose" "markov-server" "server" "name" ])
