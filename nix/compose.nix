# compose { name = "markov"; services.redis = { argv = [ … ]; … }; … } → one executable that runs these services.
#
# docs/compose.md explains the keys. `compose` is a package with bin/compose, the supervisor; of the package set only
# `runCommand` and `writeShellScript` are used, and `lib` and `writeText` if a service has `imports`.
{ pkgs
, bundle
, compose
  # What runs the supervisor where the build has another processor type than the bundle.
, emulator ? ""
}:

{ name
, services ? { }
  # The service whose end ends everything.
, main ? null
  # The variable that names the directory for data; without it and without systemd, it is the current directory.
, stateVariable ? null
  # Variables of the caller that the services use as %NAME%, with their defaults.
, variables ? { }
  # Files that are never packed: the name of the credential, and the variable that names the file. A set has it as
  # `variable`, and as `file` the path of one that the build looks for.
, secrets ? { }
  # What `bundle` takes goes to it. The supervisor refuses all else, and names what is near it.
, ...
}@options:

let
  # A short form and a long one.
  long = key: value: if builtins.isAttrs value then value else { ${key} = value; };

  # Without those that are the composition's to say.
  forBundle = removeAttrs (builtins.functionArgs (import ./bundle.nix { packer = null; system = null; }))
    [ "drv" "entry" "name" ];

  service = serviceName: { script ? null, restart ? "no", stop ? { }, ... }@attributes:
    removeAttrs attributes [ "script" ] // {
      restart = long "when" restart;
      stop = long "signal" stop;
    } // (if script == null then { } else if attributes ? argv then throw "services.${serviceName} has argv and script" else {
      argv = [ "${pkgs.writeShellScript serviceName script}" ];
    });

  secret = secretName: value:
    let
      # A path of Nix's as text is not copied to the store.
      keys = { variable, file ? null }: { inherit variable; files = if file == null then [ ] else [ (toString file) ]; };
      parsed = keys (long "variable" value);
    in
    if builtins.isString parsed.variable && builtins.match "[A-Z_][A-Z0-9_]*" parsed.variable != null then parsed
    else throw "secrets.${secretName} is the name of a variable that names a file, such as DB_PASSWORD_FILE: a file itself would be packed";
  parsedSecrets = builtins.mapAttrs secret secrets;

  commands = [ "status" "logs" "restart" "stop" ];

  composition = builtins.toJSON (removeAttrs options (builtins.attrNames forBundle) // {
    inherit name main stateVariable variables;
    secrets = builtins.mapAttrs (_: secret: secret.variable) parsedSecrets;
    services = builtins.mapAttrs service (import ./modular-service.nix { inherit pkgs; } services);
  });

  program = pkgs.runCommand name
    {
      inherit composition;
      # It can be longer than a variable may be.
      passAsFile = [ "composition" ];
      supervisor = "${compose}/bin/compose";
    } ''
    mkdir -p $out/bin $out/libexec $out/share
    cp "$compositionPath" $out/share/composition.json
    cp "$supervisor" $out/bin/${name}
    for command in ${toString commands}; do
      ln -s ../bin/${name} $out/libexec/${name}-$command
    done
    COMPOSED=check ${emulator} $out/bin/${name}
  '';
in
bundle (builtins.intersectAttrs forBundle options // {
  inherit name;
  drv = program;
  # Its commands can be names of it: ln -s markov markov-status.
  entry = [ "/bin/${name}" ] ++ map (command: "/libexec/${name}-${command}") commands;
  secret = builtins.concatMap (secret: secret.files) (builtins.attrValues parsedSecrets) ++ options.secret or [ ];
})
