# bundle { drv = pkgs.hello; } → a derivation whose output is the executable itself, built in the sandbox.
#
# `packer` is what builds it; nothing else is needed, not even a shell. Each option of `packer build` that means
# something in a build is an attribute: what it does, `packer build --help` says.
{ packer, system ? packer.system }:

{ drv
  # More store paths to pack.
, extra ? [ ]
  # One program or several of them; null: the only one in bin/.
, entry ? "/bin/${drv.meta.mainProgram or drv.pname or (builtins.parseDrvName drv.name).name}"
, env ? [ ]
, exclude ? [ ]
, level ? null
, mode ? [ ]
, stub ? null
, threads ? null
  # Of the derivation.
, name ? null
}:

let
  list = value: if value == null then [ ] else if builtins.isList value then value else [ value ];
  text = value: if builtins.isInt value then toString value else "${value}";
  option = flag: values: builtins.concatMap (value: [ flag (text value) ]) (list values);
  closures = map text ([ drv ] ++ extra);

  # A name must not refer to anything, not every file's name is one of Nix's, and a program can be a store path.
  program = builtins.unsafeDiscardStringContext (baseNameOf (builtins.head (list entry ++ [ drv.name ])));
  named = builtins.match "[0-9a-z]{32}-(.+)" program;
  legal = builtins.concatStringsSep "-" (builtins.filter builtins.isString (builtins.split "[^[:alnum:]+._?=-]+"
    (if named == null then program else builtins.head named)));
in
derivation {
  name = if name != null then name else legal;
  inherit system;
  builder = "${packer}/bin/packer";
  args = [ "build" "--closure-graph" ".attrs.json" "--output" (builtins.placeholder "out") "--no-cache" ]
    ++ option "--closure" closures
    ++ option "--entry" entry
    ++ option "--env" env
    ++ option "--exclude" exclude
    ++ option "--level" level
    ++ option "--mode" mode
    ++ option "--stub" stub
    ++ option "--threads" threads;

  # The closure comes in .attrs.json, whatever its size: neither by the environment nor by the command line.
  __structuredAttrs = true;
  exportReferencesGraph.closure = closures;
  # It is whole by itself.
  outputChecks.out.allowedReferences = [ ];
} // {
  # What it was packed from, as in `nix build .#markov.closure`.
  closure = drv;
}
