# bundle { drv = pkgs.hello; } → a derivation whose output is the bundle itself, built in the sandbox.
#
# The builder is `packer`; the build needs nothing else, not even a shell. Each option of `packer build` that is useful
# in a Nix build is an attribute; `packer build --help` explains the options.
{ packer
, system ? packer.system
  # The drivers that `graphics = true` packs.
, mesa ? throw "graphics = true needs nixpkgs' Mesa: name the drivers, as in graphics = pkgs.mesa"
}:

let
  builder = system;
in
{ drv
  # More store paths to pack.
, extra ? [ ]
  # One program, or a list of programs; null: the only one in bin/.
, entry ? "/bin/${drv.meta.mainProgram or drv.pname or (builtins.parseDrvName drv.name).name}"
, argv0 ? null
, env ? [ ]
, exclude ? [ ]
  # Graphics drivers to pack: true for Mesa's, or a derivation with what NixOS has at /run/opengl-driver.
, graphics ? false
, level ? null
  # Languages whose translations stay, such as [ "en" "de" ].
, locales ? [ ]
  # Packages of which the bill of materials says what their `meta` says, besides `drv` and `extra`.
, meta ? [ ]
, mode ? [ ]
  # Whether directories beside the bundle become HOME and XDG_CONFIG_HOME.
, portable ? false
  # The version that `packer update` compares; null: the version in the name of the first entry's store path.
, release ? null
, relocate ? [ ]
, no-relocate ? [ ]
  # Whether a bill of materials is in the bundle.
, sbom ? meta != [ ]
  # Paths, as text, of files whose content must not be packed; the builder must see them.
, secret ? [ ]
  # Whether to leave out what running does not need.
, slim ? false
  # Whether to take debug information out of ELF files.
, strip ? false
, stub ? null
  # What the closure is for, such as "aarch64-linux"; null: what the entry is for.
, system ? null
, threads ? null
  # Who signs newer versions, as minisign's public key (text or a file), and where they are.
, update-key ? null
, update-url ? null
  # The name of the derivation; null: the name of the first entry, or of `drv` if `entry` is null.
, name ? null
}:

let
  list = value: if value == null then [ ] else if builtins.isList value then value else [ value ];
  text = value: if builtins.isInt value then toString value else "${value}";
  option = flag: values: builtins.concatMap (value: [ flag (text value) ]) (list values);
  closures = map text ([ drv ] ++ extra);
  drivers = if graphics == false then [ ] else [ (text (if graphics == true then mesa else graphics)) ];

  # The default name. A name must have no string context. Nix allows only some characters in names. If the program is
  # a store path itself, its hash is left out.
  program = builtins.unsafeDiscardStringContext (baseNameOf (builtins.head (list entry ++ [ drv.name ])));
  named = builtins.match "[0-9a-z]{32}-(.+)" program;
  legal = builtins.concatStringsSep "-" (builtins.filter builtins.isString (builtins.split "[^[:alnum:]+._?=-]+"
    (if named == null then program else builtins.head named)));

  common = option "--closure" closures
    ++ option "--entry" entry
    ++ option "--env" env
    ++ option "--exclude" exclude
    ++ option "--graphics" drivers
    ++ (if slim then [ "--slim" ] else [ ])
    ++ option "--locales" locales
    ++ (if strip then [ "--strip" ] else [ ])
    ++ option "--secret" secret
    ++ option "--system" system
    ++ option "--threads" threads;

  # What `meta` says of a package, in the words of `packer build --meta`. It is for each of its outputs.
  described = package:
    let
      attributes = package.meta or { };
      identifiers = attributes.identifiers or { };
      license = one:
        if builtins.isString one then { name = one; }
        else one.spdxId or { name = one.fullName or one.shortName or "unknown"; };
      licenses = attributes.license or [ ];
      homepages = list (attributes.homepage or null);
      value = {
        license = map license (list licenses);
        homepage = if homepages == [ ] then null else builtins.head homepages;
        description = attributes.description or null;
        cpe = identifiers.cpe or null;
        purl = identifiers.purl or null;
      };
    in
    map (output: { name = builtins.unsafeDiscardStringContext "${package.${output}}"; inherit value; }) (package.outputs or [ "out" ]);
  packages = builtins.filter builtins.isAttrs ([ drv ] ++ extra ++ meta);
  # It names store paths, but the build needs none of them.
  metaFile = builtins.toFile "meta.json" (builtins.unsafeDiscardStringContext
    (builtins.toJSON (builtins.listToAttrs (builtins.concatMap described packages))));

  packed = { name, command, args, checks ? { } }: derivation {
    inherit name;
    system = builder;
    builder = "${packer}/bin/packer";
    args = [ command "--closure-graph" ".attrs.json" "--output" (builtins.placeholder "out") "--no-cache" ] ++ common ++ args;
    # Nix passes the closure in .attrs.json, since the sizes of the environment and the command line are limited.
    __structuredAttrs = true;
    exportReferencesGraph.closure = closures ++ drivers;
    outputChecks.out = checks;
  };

  # The same as an OCI image. Its documents name store paths, so it refers to them.
  imageWith =
    { compression ? null
    , level ? null
    , max-layers ? null
    , name ? null
    , store-only ? false
    , user ? null
    , workdir ? null
    }: packed {
      # The end of the name makes it a tar file.
      name = "${bundleName}.oci.tar";
      command = "image";
      args = option "--compression" compression
        ++ option "--level" level
        ++ option "--max-layers" max-layers
        ++ option "--name" name
        ++ (if store-only then [ "--store-only" ] else [ ])
        ++ option "--user" user
        ++ option "--workdir" workdir;
    };

  bundleName = if name != null then name else legal;
in
packed
  {
    name = bundleName;
    command = "build";
    args = option "--argv0" argv0
      ++ option "--level" level
      ++ option "--mode" mode
      ++ (if portable then [ "--portable" ] else [ ])
      ++ option "--release" release
      ++ option "--relocate" relocate
      ++ option "--no-relocate" no-relocate
      ++ (if sbom then [ "--sbom" "--meta" metaFile ] else [ ])
      ++ option "--stub" stub
      ++ option "--update-key" update-key
      ++ option "--update-url" update-url;
    # The bundle refers to no store path.
    checks.allowedReferences = [ ];
  } // {
  # The input of the bundle, as in `nix build .#markov.closure`.
  closure = drv;
  inherit imageWith;
  image = imageWith { };
}
