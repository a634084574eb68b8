# What Debian's packages are called, where their files are (nix/fetch puts them into the directory `inputs`), and what
# runs their programs at a build. `system` is what the packages are for, `builder` what makes them.
{ inputs, system, builder }:

rec {
  triplet = {
    x86_64-linux = "x86_64-linux-gnu";
    aarch64-linux = "aarch64-linux-gnu";
    riscv64-linux = "riscv64-linux-gnu";
  }.${system} or (throw "nix/debian: no Debian multiarch directory known for ${system}");

  # Debian's emulator, where the machine that builds has another processor type.
  emulator =
    if system == builder then ""
    else "/usr/bin/qemu-${builtins.head (builtins.match "(.*)-linux" system)}-static";

  # Replaces characters that Nix does not allow in a name, such as `~` and `:` in Debian's versions.
  legal = name: builtins.replaceStrings [ "~" ":" "%" ] [ "-" "-" "-" ] name;

  source = entry: builtins.path {
    path = inputs + "/${entry.file}";
    name = legal entry.file;
    recursive = false;
    sha256 = entry.sha256;
  };

  # The version of the program itself, without Debian's epoch and revision.
  programVersion = version: legal (builtins.elemAt (builtins.match "([0-9]+:)?([^-]+).*" version) 1);
}
