# A service module for redis, as one of nixpkgs would be: a file, systemd's protocol, and more for systemd alone.

# Non-module dependencies, for importApply.
{ coreutils }:

{ config, lib, options, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.redis;
in
{
  _class = "service";

  options.redis = {
    package = mkOption {
      description = "The redis to run.";
      type = types.package;
    };
    settings = mkOption {
      description = "What is in redis.conf.";
      default = { };
      type = types.submodule {
        freeformType = with types; attrsOf (oneOf [ bool int str ]);
        options.port = mkOption {
          description = "0 is none.";
          type = types.port;
          default = 6379;
        };
      };
    };
  };

  config = {
    assertions = [
      {
        assertion = cfg.settings.port != 0 || cfg.settings ? unixsocket;
        message = "redis listens nowhere: set ${options.redis.settings}.port or .unixsocket";
      }
    ];

    redis.settings.supervised = lib.mkDefault "systemd";
    configData."conf/redis.conf".text = lib.concatStringsSep "\n" (lib.mapAttrsToList
      (name: value: "${name} ${if value == true then "yes" else if value == false then "no" else toString value}")
      cfg.settings);

    process.argv = [ (lib.getExe cfg.package) config.configData."conf/redis.conf".path ];
    notificationProtocol.systemd = true;
  } // lib.optionalAttrs (options ? systemd) {
    systemd.service.serviceConfig.ExecReload = "${coreutils}/bin/kill -HUP $MAINPID";
  };

  meta.maintainers = [ lib.maintainers.somebody ];
}
