# A queue in redis, a server that takes jobs, and a worker that crashes every few seconds.
{ pkgs, compose, ... }@options:

let
  program = builtins.path { name = "jobs.py"; path = ./jobs.py; };
  jobs = role: [ "${pkgs.python3}/bin/python3" "-IB" program role "%RUN%/redis.sock" ];
in
compose ({
  name = "worker";
  stateVariable = "WORKER_DATA_DIR";
  variables = {
    WORKER_LISTEN_ADDR = "127.0.0.1:8000";
    WORKER_CRASH_SECONDS = "3";
  };

  services.redis = {
    argv = [ "${pkgs.redis}/bin/redis-server" "%RUN%/redis.conf" ];
    # A locale of the caller's that is not in the closure would be refused.
    env.LC_ALL = "C";
    # A job is on the disk before it is accepted.
    configs."redis.conf" = ''
      port 0
      unixsocket %RUN%/redis.sock
      unixsocketperm 700
      save ""
      appendonly yes
      appendfsync always
    '';
    ready.unix = "redis.sock";
    restart = "always";
    state = "redis";
  };

  services.server = {
    argv = jobs "server" ++ [ "%WORKER_LISTEN_ADDR%" ];
    after = [ "redis" ];
    ready.http = "http://%WORKER_LISTEN_ADDR%/";
    restart = "always";
  };

  services.capitals = {
    argv = jobs "worker" ++ [ "%WORKER_CRASH_SECONDS%" ];
    after = [ "redis" ];
    restart = { when = "always"; delay = 0.1; maxDelay = 2; };
  };
} // removeAttrs options [ "pkgs" "compose" ])
