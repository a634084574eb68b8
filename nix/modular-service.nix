# Turns services with `imports`, which are modular services of nixpkgs, into plain ones: docs/compose.md explains what
# is taken. The module system is that of `pkgs.lib`; without `imports`, nothing of it is used.
{ pkgs }:

services:

let
  inherit (pkgs) lib;
  inherit (lib) mkOption types;

  optional = type: mkOption { type = types.nullOr type; default = null; };
  # For what only other managers read.
  ignored = mkOption { type = types.anything; default = { }; };

  # Our keys of a service, which stand beside the options of the module. `argv` and `script` are the module's to give.
  keys = [ "after" "configs" "env" "oneshot" "ready" "restart" "signals" "state" "stop" "user" ];

  # A file of a service. Its path is known before its text, which may have the paths of other files in it.
  file = service: { name, config, options, ... }: {
    options = {
      enable = mkOption { type = types.bool; default = true; };
      name = mkOption { type = types.str; default = name; };
      text = optional types.lines;
      source = mkOption { type = types.path; };
      path = mkOption { type = types.str; readOnly = true; };
    };
    config = {
      source = lib.mkIf (config.text != null)
        (lib.mkOptionDefault (pkgs.writeText (builtins.replaceStrings [ "/" ] [ "-" ] config.name) config.text));
      # A text becomes a source of the lowest priority, so any other source comes first; a disabled file has neither.
      path =
        if options.source.isDefined && (config.text == null || options.source.highestPrio < options.text.highestPrio)
        then "${config.source}"
        else "%RUN%/${service}/${config.name}";
    };
  };

  # The options that every modular service may set, and ours.
  base = service: { config, ... }: {
    _class = "service";

    options = lib.genAttrs keys (_: optional types.anything) // {
      process = {
        argv = mkOption { type = types.listOf (types.coercedTo types.path (path: "${path}") types.str); };
        flags = mkOption {
          type = types.coercedTo (types.attrsOf types.raw) (lib.mapAttrsToList (name: value: { ${name} = value; }))
            (types.listOf (types.attrsOf types.raw));
          default = [ ];
        };
        flagFormat = mkOption {
          type = types.raw;
          default = name: { option = name; sep = null; explicitBool = false; };
        };
        reloadSignal = optional types.str;
        reloadCommand = ignored;
      };
      configData = mkOption {
        type = types.lazyAttrsOf (types.submodule (file service));
        default = { };
      };
      notificationProtocol = mkOption {
        # It was a list before.
        type = types.coercedTo (types.listOf types.str) (names: lib.genAttrs names (_: true)) (types.submodule {
          options = lib.genAttrs [ "systemd" "s6" ] (name: lib.mkEnableOption "the protocol of ${name}");
        });
        default = { };
      };
      services = mkOption {
        type = types.attrsOf (types.submoduleWith {
          class = "service";
          modules = [ ({ name, ... }@arguments: base "${service}-${name}" arguments) ];
        });
        default = { };
      };
      assertions = mkOption { type = types.listOf types.raw; default = [ ]; };
      warnings = mkOption { type = types.listOf types.str; default = [ ]; };
      meta = ignored;
    };

    config = {
      # Without flags there is no definition, which would replace one of mkDefault.
      process.argv = lib.mkIf (config.process.flags != [ ]) (lib.mkAfter
        (lib.concatMap (lib.cli.toCommandLine config.process.flagFormat) config.process.flags));
      ready = lib.mkIf config.notificationProtocol.systemd (lib.mkDefault { notify = true; });
      signals = lib.mkIf (config.process.reloadSignal != null) (lib.mkDefault [ config.process.reloadSignal ]);
    };
  };

  # A service and those in it.
  all = name: config:
    [ { inherit name config; } ]
    ++ lib.concatLists (lib.mapAttrsToList (inner: all "${name}-${inner}") config.services);

  # The files that are written at the start.
  written = service: config: builtins.listToAttrs (map
    # Without a text, the source says that it has no value.
    (file: { name = "${service}/${file.name}"; value = if file.text == null then file.source else file.text; })
    (lib.filter (file: file.enable && lib.hasPrefix "%RUN%/" file.path) (lib.attrValues config.configData)));

  plain = { name, config }: {
    inherit name;
    value = lib.filterAttrs (_: value: value != null) (lib.getAttrs keys config) // {
      inherit (config.process) argv;
      configs = written name config // (if config.configs == null then { } else config.configs);
    };
  };

  modular = name: definitions:
    let
      found = all name (lib.evalModules {
        class = "service";
        prefix = [ "services" name ];
        modules = [
          (base name)
          { _module.args = { inherit name; }; }
          (lib.setDefaultModuleLocation "the composition" definitions)
        ];
      }).config;
      said = of: lib.concatMap ({ name, config }: map (text: "services.${name}: ${text}") (of config)) found;
      failed = said (config: map (a: a.message) (lib.filter (a: !a.assertion) config.assertions));
    in
    if !pkgs ? lib then throw "services.${name} has imports, which need the lib of nixpkgs: this package set has none"
    else if failed != [ ] then throw (lib.concatStringsSep "\n" failed)
    else lib.foldr lib.warn (map plain found) (said (config: config.warnings));

  named = builtins.concatMap
    (name:
      let value = services.${name};
      in if value ? imports then modular name value else [ { inherit name value; } ])
    (builtins.attrNames services);
  twice = builtins.filter (list: builtins.length list > 1)
    (builtins.attrValues (builtins.groupBy (service: service.name) named));
in
if twice == [ ] then builtins.listToAttrs named
else throw "there are two services ${(builtins.head (builtins.head twice)).name}: one of them is a service in a service"
