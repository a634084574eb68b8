# The queue of examples/worker with modular services, which stand beside their programs as in nixpkgs.
{ pkgs, supervisor }:

let
  lib = import ./lib.nix;
  compose = import ../../../nix/compose.nix {
    pkgs = pkgs // { inherit lib; };
    compose = supervisor;
    bundle = { drv, ... }: drv;
  };

  redis = pkgs.redis // {
    meta.mainProgram = "redis-server";
    services.default = {
      imports = [ (lib.modules.importApply ./redis.nix { inherit (pkgs) coreutils; }) ];
      redis.package = lib.mkDefault redis;
    };
  };
  jobs.services.default.imports = [ (lib.modules.importApply ./jobs.nix { inherit (pkgs) python3; }) ];
in
compose {
  name = "modular";
  stateVariable = "MODULAR_DATA_DIR";
  variables.MODULAR_LISTEN_ADDR = "127.0.0.1:8000";

  services.redis = {
    imports = [ redis.services.default ];
    redis.settings = {
      port = 0;
      unixsocket = "%RUN%/redis.sock";
      appendonly = true;
      appendfsync = "always";
    };
    env.LC_ALL = "C";
    restart = "always";
    state = "redis";
  };

  services.server = {
    imports = [ jobs.services.default ];
    jobs = {
      listen = "%MODULAR_LISTEN_ADDR%";
      redis = "/%RUN%/redis.sock";
      crash = "600";
    };
    after = [ "redis" ];
    ready.http = "http://%MODULAR_LISTEN_ADDR%/";
    services.worker = {
      after = [ "redis" ];
      restart = "always";
    };
  };
}
