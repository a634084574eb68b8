# The corpus: programs of many kinds out of Debian packages, to see what relocation does to them.
#
# A store path is what Debian builds from one source package; its libraries are paths of their own. nix/fetch decides
# that (closures.py). The programs are in ./programs, a file for each kind.
{ inputs, system ? builtins.currentSystem, builder ? system }:

let
  lock = builtins.fromJSON (builtins.readFile (inputs + "/lock.json"));
  inherit (import ../debian/names.nix { inherit inputs system builder; }) triplet emulator legal source programVersion;

  groups = builtins.mapAttrs
    (name: group: derivation ({
      name = "${legal name}-${programVersion group.version}";
      inherit triplet emulator;
      system = builder;
      builder = "/bin/sh";
      args = [ "-e" ./build-group.sh ];
      elf = ../debian/elf.sh;
      layout = ../debian/layout.sh;
      scripts = ../debian/scripts.sh;
      texts = ./texts.pl;
      sources = map source group.files;
      dependencies = map (name: groups.${name}) group.depends;
    } // (if name == "libc6" then { fixup = ../debian/libc.sh; } else { })
    // (if builtins.match "golang-[0-9.]+" name != null then { fixup = ./go.sh; } else { })
    // (if group ? games then { fixup = ./games.sh; } else { })))
    lock.groups;

  # The groups of these packages and of all they need, those that need others first.
  all = names:
    let
      node = name: { key = name; };
      reached = builtins.genericClosure {
        startSet = map (name: node lock.packages.${name}.group) names;
        operator = { key }: map node lock.groups.${key}.depends;
      };
    in
    map ({ key }: groups.${key}) reached;

  # `breaks` says that its build writes store paths where they do not bear relocation, `slim = false` that it needs what
  # packer build --slim leaves out; the tests want to know.
  #
  # `@package@` in a script is the store path of that package, `@out@` that of the program itself.
  program = wrapper: name: { debs, run, build ? "", breaks ? false, slim ? true }:
    let
      paths = map (deb: groups.${lock.packages.${deb}.group}) debs;
      filled = builtins.replaceStrings
        ([ "@out@" ] ++ map (deb: "@${deb}@") debs)
        ([ (placeholder "out") ] ++ map toString paths);
    in
    derivation {
      name = "corpus-${name}";
      inherit triplet;
      system = builder;
      builder = "/bin/sh";
      args = [ "-e" wrapper ];
      search = ./search.sh;
      typelibs = ./typelibs.pl;
      bash = groups.bash;
      functions = ./functions.sh;
      places = all (debs ++ [ "bash" "coreutils" "libc-bin" ]);
      run = filled run;
      build = filled build;
      passAsFile = [ "run" "build" ];
    };

  programs = wrapper: file: builtins.mapAttrs (program wrapper) (builtins.fromTOML (builtins.readFile file));

  kinds = builtins.listToAttrs (map
    (file: {
      name = builtins.head (builtins.match "(.*)\\.toml" file);
      value = programs ./build-program.sh (./programs + "/${file}");
    })
    (builtins.attrNames (builtins.readDir ./programs)));

  # A directory for each kind, with a link to each of its programs.
  links = builtins.concatMap
    (kind: map (name: { inherit kind name; path = kinds.${kind}.${name}; }) (builtins.attrNames kinds.${kind}))
    (builtins.attrNames kinds);
in
kinds // {
  # Programs with windows, behind wrappers of their own.
  desktop = programs ./build-desktop.sh ./desktop.toml;

  # A package of Debian's by its name: the store path that has it, and `places`, all store paths that it needs.
  packages = builtins.mapAttrs (name: { group, ... }: groups.${group} // { places = all [ name ]; }) lock.packages;

  all = derivation {
    name = "corpus";
    system = builder;
    builder = "/bin/sh";
    args = [ "-e" ./link-all.sh ];
    links = map ({ kind, name, path }: "${kind}/${name} ${path}") links;
  };
}
