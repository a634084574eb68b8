# For tests/graphics: programs that draw and compute, which find their drivers where nixpkgs' do, and Mesa for them.
#
# Debian's loaders (libglvnd and Vulkan's) look below /usr and /etc. Those of nixpkgs look in /run/opengl-driver, and so
# do these: build-programs.sh binds them to it. No closure here has a driver in it but `drivers`.
{ inputs, system ? builtins.currentSystem, builder ? system }:

let
  inherit (import ../debian/names.nix { inherit inputs system builder; }) triplet emulator;
  set = name: (import ../corpus { inputs = inputs + "/${name}"; inherit system builder; }).packages;
  # What the quick tests need, and what the others do.
  small = set "loaders";
  large = set "mesa";
  opencl = set "opencl";

  derive = name: script: attributes: derivation ({
    inherit name triplet;
    system = builder;
    builder = "/bin/sh";
    args = [ "-e" script ];
    loadersScript = ./loaders.sh;
    replace = ./replace.pl;
  } // attributes);

  CC = if emulator == "" then "cc" else "${triplet}-gcc";
  libGL = set: [ set.libgl1 set.libglx0 set.libopengl0 set.libgles2 ];
  loaders = set: [ set.libglvnd0 set.libegl1 set.libvulkan1 ];
in
rec {
  # Asks each interface that it is told for a driver: see asks.c.
  asks = derive "asks" ./build-asks.sh { source = ./asks.c; inherit CC; libc = small.libc6; loaders = loaders small; };

  # The same with musl, in which no driver for glibc can be loaded.
  asks-musl = derive "asks-musl" ./build-asks.sh { source = ./asks.c; CC = "musl-gcc"; libc = small.musl; loaders = [ ]; };

  # Mesa with llvmpipe and lavapipe alone, as /run/opengl-driver has it.
  drivers = derive "drivers" ./build-drivers.sh {
    glx = large.libglx-mesa0;
    egl = large.libegl-mesa0;
    gbm = large.libgbm1;
    dri = large.libgl1-mesa-dri;
    vulkan = large.mesa-vulkan-drivers;
  };

  programs = derive "graphics-programs" ./build-programs.sh {
    loaders = loaders large ++ libGL large;
    programs = [ large.mesa-utils-bin large.vulkan-tools ];
  };

  # EGL alone: nothing in it looks for drivers of GLX. From the machine, since its package needs half of a desktop.
  egl = derive "weston-simple-egl" ./build-programs.sh {
    loaders = loaders large ++ [ large.libgles2 ];
    programs = [ ];
    weston = builtins.path { path = /usr/bin/weston-simple-egl; };
    needed = [ large.libc6 large.libegl1 large.libgles2 large.libwayland-client0 large.libwayland-cursor0 large.libwayland-egl1 ];
  };

  # As Debian has them: /run/opengl-driver is unknown to them.
  plain = large.mesa-utils-bin;
  inherit (opencl) clinfo;

  # A driver of OpenCL for the processor.
  pocl = derive "pocl" ./build-pocl.sh { library = opencl.libpocl2; };
}
