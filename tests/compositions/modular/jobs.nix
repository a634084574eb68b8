# A service module for examples/worker/jobs.py: a server, its worker as a service in it, and a file that both run.
{ python3 }:

{ config, lib, options, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.jobs;
  run = role: [ (lib.getExe' python3 "python3") "-IB" config.configData."jobs.py".path role cfg.redis ];
in
{
  _class = "service";

  options.jobs = {
    listen = mkOption {
      description = "Address and port, as in 127.0.0.1:8000.";
      type = types.str;
    };
    redis = mkOption {
      description = "The socket of redis.";
      type = types.path;
    };
    crash = mkOption {
      description = "Seconds after which the worker crashes.";
      type = types.str;
    };
  };

  config = {
    configData."jobs.py".source = ../../../examples/worker/jobs.py;
    process.argv = run "server" ++ [ cfg.listen ];
    services.worker.process.argv = run "worker" ++ [ cfg.crash ];
  } // lib.optionalAttrs (options ? systemd) {
    systemd.service.after = [ "network.target" ];
  };
}
