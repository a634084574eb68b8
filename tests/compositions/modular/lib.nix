# A stand-in for the part of nixpkgs' `lib` that modular services use.
#
# The tests have packages of Debian, PyPI, npm and crates.io, and none was found in which nixpkgs' own is. This has the
# names, the arguments, the rules and, in short, the errors of nixpkgs: evalModules with imports, classes, arguments of
# modules, priorities, order and freeform types, and the types below. It does not have: disabledModules, keys of modules
# that are imported twice, an option that is declared twice, lazy sets, documentation.
let
  inherit (builtins) all any attrNames attrValues concatLists concatMap concatStringsSep elem elemAt filter foldl' head
    isAttrs isBool isFunction isInt isList isPath isString length listToAttrs mapAttrs sort substring tail toJSON;

  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  names = sets: unique (concatMap attrNames sets);
  isType = type: value: isAttrs value && value._type or null == type;
  isDerivation = value: isAttrs value && value.type or null == "derivation";
  show = concatStringsSep ".";
  shown = defs: concatStringsSep "\n" (map
    (d: "- In `${d.file}'${if isFunction d.value || isAttrs d.value then "" else ": ${toJSON d.value}"}")
    defs);

  # Properties: what mkIf, mkMerge, mkOverride and mkOrder make of a value.
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkOrder = priority: content: { _type = "order"; inherit priority content; };
  mkIf = condition: content: { _type = "if"; inherit condition content; };

  # The definitions in one: { file, value, priority, order }.
  discharge = def:
    let
      v = def.value;
      again = changes: discharge (def // { value = v.content; } // changes);
    in
    if isType "merge" v then concatMap (value: discharge (def // { inherit value; })) v.contents
    else if isType "if" v then (if v.condition then again { } else [ ])
    else if isType "override" v then again { inherit (v) priority; }
    else if isType "order" v then again { order = v.priority; }
    else [ ({ priority = 100; order = 1000; } // def) ];

  # A value of a type from all its definitions; those of the lowest priority count.
  mergeDefinitions = loc: type: defs:
    let
      found = concatMap discharge defs;
      highestPrio = foldl' (least: d: if d.priority < least then d.priority else least) 9999 found;
      kept = sort (a: b: a.order < b.order) (filter (d: d.priority == highestPrio) found);
      wrong = filter (d: !type.check d.value) kept;
    in
    {
      inherit highestPrio;
      isDefined = found != [ ];
      value =
        if wrong != [ ] then
          throw ("A definition for option `${show loc}' is not of type `${type.description}'. Definition values:\n"
            + shown wrong)
        else if found != [ ] then type.merge loc kept
        else throw "The option `${show loc}' was accessed but has no value defined. Try setting the option.";
    };

  mkType = description: check: merge: { _type = "option-type"; inherit description check merge; };
  mergeEqual = loc: defs:
    if all (d: d.value == (head defs).value) defs then (head defs).value
    else throw "The option `${show loc}' has conflicting definition values:\n${shown defs}";
  mergeOne = loc: defs:
    if length defs == 1 then (head defs).value
    else throw "The option `${show loc}' is defined multiple times while it's expected to be unique.\n${shown defs}";
  simple = description: check: mkType description check mergeEqual;
  isStringLike = value: isString value || isPath value || value ? outPath;

  types = rec {
    str = simple "string" isString;
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    port = simple "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (x: isInt x && x >= 0 && x < 65536);
    path = simple "absolute path" (x: isStringLike x && substring 0 1 (toString x) == "/");
    package = simple "package" (x: isDerivation x || path.check x);
    raw = mkType "raw value" (_: true) mergeOne;
    lines = mkType "strings concatenated with \"\\n\"" isString
      (_: defs: concatStringsSep "\n" (map (d: d.value) defs));
    enum = values: simple "one of ${toJSON values}" (x: elem x values);

    anything = mkType "anything" (_: true) (loc: defs:
      if all (d: isAttrs d.value && !isDerivation d.value) defs then (attrsOf anything).merge loc defs
      else mergeEqual loc defs);

    either = a: b: mkType "${a.description} or ${b.description}" (x: a.check x || b.check x) (loc: defs:
      if all (d: a.check d.value) defs then a.merge loc defs
      else if all (d: b.check d.value) defs then b.merge loc defs
      else mergeEqual loc defs);
    oneOf = list: foldl' either (head list) (tail list);
    nullOr = type: mkType "null or ${type.description}" (x: x == null || type.check x) (loc: defs:
      if all (d: d.value == null) defs then null
      else if any (d: d.value == null) defs then
        throw "The option `${show loc}' is defined both null and not null, in ${shown defs}."
      else type.merge loc defs);
    coercedTo = from: f: to: mkType "${to.description} or ${from.description} convertible to it"
      (x: (from.check x && to.check (f x)) || to.check x)
      (loc: defs: to.merge loc (map (d: d // { value = if from.check d.value then f d.value else d.value; }) defs));

    listOf = type: mkType "list of ${type.description}" isList (loc: defs:
      let element = file: value: mergeDefinitions (loc ++ [ "*" ]) type [ { inherit file value; } ];
      in map (e: e.value) (filter (e: e.isDefined) (concatMap (d: map (element d.file) d.value) defs)));
    attrsOf = type: mkType "attribute set of ${type.description}" isAttrs (loc: defs:
      let
        of = name: mergeDefinitions (loc ++ [ name ]) type
          (map (d: { inherit (d) file; value = d.value.${name}; }) (filter (d: d.value ? ${name}) defs));
        merged = listToAttrs (map (name: { inherit name; value = of name; }) (names (map (d: d.value) defs)));
      in mapAttrs (_: e: e.value) (removeAttrs merged (filter (n: !merged.${n}.isDefined) (attrNames merged))));
    lazyAttrsOf = attrsOf;

    submoduleWith = { modules, class ? null, specialArgs ? { } }:
      let
        evaluate = loc: defs: (evalModules {
          inherit class specialArgs;
          prefix = loc;
          modules = modules ++ [ { _module.args.name = elemAt loc (length loc - 1); } ]
            ++ map (d: setDefaultModuleLocation d.file d.value) defs;
        }).config;
      in
      mkType "submodule" (x: isAttrs x || isFunction x || isPath x) evaluate;
    submodule = module: submoduleWith { modules = [ module ]; };
  };

  setDefaultModuleLocation = file: module: { _file = file; imports = [ module ]; };

  # Declarations and definitions of one place in the tree: { options, config, unmatched }.
  mergeTree = loc: declarations: definitions:
    let
      push = def:
        let
          v = def.value;
          into = wrap: map (d: d // { value = mapAttrs (_: wrap) d.value; }) (push (def // { value = v.content; }));
        in
        if isType "merge" v then concatMap (value: push (def // { inherit value; })) v.contents
        else if isType "if" v then into (mkIf v.condition)
        else if isType "override" v then into (mkOverride v.priority)
        else if isType "order" v then into (mkOrder v.priority)
        else if isAttrs v then [ def ]
        else throw "The option path `${show loc}' is no option, but a value is defined for it.\n${shown [ def ]}";
      pushed = concatMap push definitions;
      below = name: list: map (d: d // { value = d.value.${name}; }) (filter (d: d.value ? ${name}) list);
      one = name:
        let
          path = loc ++ [ name ];
          declared = below name declarations;
          defined = below name pushed;
          option = (head declared).value;
          merged = mergeDefinitions path option.type (defined
            ++ (if option ? default then [ { file = "default"; value = mkOverride 1500 option.default; } ] else [ ]));
          value =
            if option.readOnly or false && length defined > 1 then
              throw "The option `${show path}' is read-only, but it's set multiple times.\n${shown defined}"
            else merged.value;
        in
        if !any (d: isType "option" d.value) declared then mergeTree path declared defined
        else if length declared > 1 then throw "The option `${show path}' is already declared."
        else rec {
          config = (option.apply or (x: x)) value;
          unmatched = [ ];
          options = option // {
            inherit (merged) highestPrio isDefined;
            loc = path;
            value = config;
            __toString = _: show path;
          };
        };
      known = names (map (d: d.value) declarations);
      merged = listToAttrs (map (name: { inherit name; value = one name; }) known);
      unknown = filter (name: !elem name known) (names (map (d: d.value) pushed));
    in
    {
      options = mapAttrs (_: m: m.options) merged;
      config = mapAttrs (_: m: m.config) merged;
      unmatched = concatMap (m: m.unmatched) (attrValues merged)
        ++ concatMap (name: map (d: d // { path = loc ++ [ name ]; }) (below name pushed)) unknown;
    };

  recursiveUpdate = a: b: a // mapAttrs
    (name: value:
      if isAttrs value && isAttrs (a.${name} or null) && !isDerivation value then recursiveUpdate a.${name} value
      else value)
    b;

  evalModules = { modules, class ? null, prefix ? [ ], specialArgs ? { } }:
    let
      own = [ "_class" "_file" "imports" "options" "config" "meta" "freeformType" "disabledModules" "key" ];
      # A module as { file, imports, options, config, freeformType }.
      load = file: module:
        let
          # Arguments are looked up when they are used: `_module.args` comes out of the modules.
          base = specialArgs // { inherit lib options; inherit (result) config; };
          call = f: f (base // mapAttrs
            (name: _: base.${name} or result.config._module.args.${name} or (throw "attribute '${name}' missing"))
            (builtins.functionArgs f));
          m = if isFunction module then call module
            else if !isAttrs module then (let it = import module; in if isFunction it then call it else it)
            else module;
          here = m._file or (if isPath module then toString module else file);
          long = m ? options || m ? config;
          wrong = filter (name: !elem name own) (attrNames m);
        in
        if class != null && m._class or class != class then
          throw ("The module `${here}' (class: ${toJSON m._class}) cannot be imported into a module evaluation "
            + "that expects class ${toJSON class}.")
        else if long && wrong != [ ] then
          throw "Module `${here}' has an unsupported attribute `${head wrong}'."
        else {
          file = here;
          imports = m.imports or [ ];
          options = m.options or { };
          freeformType = m.freeformType or null;
          config =
            if !long then removeAttrs m (filter (name: name != "meta") own)
            else if m ? meta then { _type = "merge"; contents = [ (m.config or { }) { inherit (m) meta; } ]; }
            else m.config or { };
        };
      collect = file: concatMap (module: let m = load file module; in collect m.file m.imports ++ [ m ]);
      loaded = collect "<unknown-file>" modules;
      merged = mergeTree prefix
        ([ { file = "lib"; value._module.args = mkOption { type = types.lazyAttrsOf types.raw; }; } ]
          ++ map (m: { inherit (m) file; value = m.options; }) loaded)
        (map (m: { inherit (m) file; value = m.config; }) loaded);
      inherit (merged) options unmatched;
      freeform = filter (type: type != null) (map (m: m.freeformType) loaded);
      # The value of an unmatched definition, at its place below the prefix.
      nested = d: foldl' (value: i: { ${elemAt d.path (length d.path - 1 - i)} = value; }) d.value
        (builtins.genList (i: i) (length d.path - length prefix));
      result.config =
        if unmatched == [ ] then merged.config
        else if freeform != [ ] then
          let free = map (d: { inherit (d) file; value = nested d; }) unmatched;
          in recursiveUpdate ((head freeform).merge prefix free) merged.config
        else
          let first = head unmatched;
          in throw "The option `${show first.path}' does not exist. Definition values:\n${shown [ first ]}";
    in
    {
      inherit options;
      config = removeAttrs result.config [ "_module" ];
    };

  mkOption = attributes: attributes // { _type = "option"; };

  lib = rec {
    inherit attrValues concatLists concatMap concatStringsSep evalModules filter mkIf mkOption setDefaultModuleLocation
      types;
    modules.importApply = file: arguments: setDefaultModuleLocation (toString file) (import file arguments);

    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOptionDefault = mkOverride 1500;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkAfter = mkOrder 1500;
    mkEnableOption = name: mkOption { default = false; description = "Whether to enable ${name}."; type = types.bool; };

    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
    getAttrs = wanted: set: genAttrs wanted (name: set.${name});
    genAttrs = wanted: f: listToAttrs (map (name: { inherit name; value = f name; }) wanted);
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    foldr = f: start: list: if list == [ ] then start else f (head list) (foldr f start (tail list));
    hasPrefix = prefix: text: substring 0 (builtins.stringLength prefix) text == prefix;
    warn = text: builtins.trace "warning: ${text}";

    getExe = package: getExe' package package.meta.mainProgram;
    getExe' = package: name: "${package}/bin/${name}";
    maintainers.somebody = { name = "Somebody"; };

    # `format` says of each flag { option, sep, explicitBool }.
    cli.toCommandLine = format: flags: concatLists (mapAttrsToList
      (name: value:
        let
          inherit (format name) option sep explicitBool;
          text = if isBool value then (if value then "true" else "false") else toString value;
        in
        if value == null then [ ]
        else if isBool value && !explicitBool then optional value option
        else if sep == null then [ option text ]
        else [ "${option}${sep}${text}" ])
      flags);
  };
in
lib
