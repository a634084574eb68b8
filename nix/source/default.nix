# A package set built from Debian's source packages with --prefix=$out, as nixpkgs builds its own: the source set.
#
# Debian's programs have /usr compiled in. The programs of this set have store paths in all the places where those of
# nixpkgs have them, so it tests relocation. It has nixpkgs' names. nix/fetch fills the directories `inputs` (sources)
# and `wheels` (the wheels of the Debian-made set).
{ inputs, wheels, system ? builtins.currentSystem }:

let
  lock = builtins.fromJSON (builtins.readFile (inputs + "/lock.json"));
  wheelLock = builtins.fromJSON (builtins.readFile (wheels + "/lock.json"));

  # Replaces characters that Nix does not allow in a name, such as `~` in Debian's versions.
  legal = builtins.replaceStrings [ "~" ":" "%" ] [ "-" "-" "-" ];

  file = directory: entry: builtins.path {
    path = directory + "/${entry.file}";
    name = legal entry.file;
    recursive = false;
    sha256 = entry.sha256;
  };

  # The version of the program itself, without Debian's epoch and revision.
  programVersion = version: legal (builtins.elemAt (builtins.match "([0-9]+:)?([^-+]+).*" version) 1);

  # Builds a source package. `phases` has shell functions in the place of those of build.sh.
  build = { name, source ? name, ... }@options:
    let entry = lock.sources.${source}; in
    derivation ({
      name = "${name}-${programVersion entry.version}";
      inherit system cc glibc;
      builder = "/bin/sh";
      args = [ "-e" ./build.sh ];
      files = map (file inputs) entry.files;
      names = map (file: file.file) entry.files;
      elf = ../debian/elf.sh;
      scripts = ../debian/scripts.sh;
    } // removeAttrs options [ "name" "source" ]);

  deriveWith = path: name: environment: script: derivation ({
    inherit name system script;
    builder = "/bin/sh";
    # Nix ends a builder when its log closes: the last command is a builtin.
    args = [ "-e" "-c" "PATH=${path}/usr/bin:/bin; umask 022; eval \"$script\"; exit 0" ];
  } // environment);
  derive = deriveWith "";
  deriveC = deriveWith "${cc}/bin:";

  glibc = build {
    name = "glibc";
    phases = ". ${./glibc.sh}";
    cc = null;
    glibc = null;
  };

  cc = derivation {
    name = "cc-wrapper";
    inherit system glibc;
    builder = "/bin/sh";
    args = [ "-e" ./cc.sh ];
  };

  bash = build {
    name = "bash";
    # A patch changes the grammar.
    phases = ''
      patch_phase() { touch parse.y; }
      install_phase() { make install; ln -s bash "$out/bin/sh"; }
    '';
    configureFlags = "--disable-nls --without-bash-malloc";
    # It needs the paths of a compiler and a mailer.
    unwanted = "bin/bashbug";
  };

  coreutils = build {
    name = "coreutils";
    FORCE_UNSAFE_CONFIGURE = "1";
    configureFlags = "--enable-single-binary=symlinks --disable-acl --disable-xattr --disable-libcap --without-selinux --without-gmp --without-openssl";
  };

  hello = build { name = "hello"; };

  gzip = build {
    name = "gzip";
    inputs = [ bash ];
  };

  zlib = build { name = "zlib"; };

  libffi = build {
    name = "libffi";
    configureFlags = "--disable-docs --disable-multi-os-directory";
  };

  openssl = build {
    name = "openssl";
    phases = ". ${./openssl.sh}";
    # Programs in the machine's perl.
    unwanted = "bin/c_rehash etc/ssl/misc";
  };

  cacert = derive "cacert-${programVersion lock.packages.ca-certificates.version}"
    { deb = file inputs (builtins.head lock.packages.ca-certificates.files); } ''
    mkdir -p $out/etc/ssl/certs
    dpkg-deb --fsys-tarfile $deb | tar -x
    LC_ALL=C
    for certificate in usr/share/ca-certificates/mozilla/*.crt; do
        cat "$certificate"
    done > $out/etc/ssl/certs/ca-bundle.crt
  '';

  curl = build {
    name = "curl";
    inputs = [ openssl zlib bash ];
    configureFlags = "--with-openssl --with-zlib --with-ca-bundle=${cacert}/etc/ssl/certs/ca-bundle.crt --without-libpsl --without-nghttp2 --without-brotli --without-zstd --without-libidn2 --without-librtmp --without-libssh2 --disable-ldap --disable-ldaps --disable-manual";
  };

  perl = build {
    name = "perl";
    phases = ". ${./perl.sh}";
  };

  python3 = build {
    name = "python3";
    source = "python${wheelLock.python}";
    phases = ". ${./python3.sh}";
    inputs = [ openssl zlib libffi bash ];
    inherit openssl;
    # For wheels.
    dependencies = [ glibc openssl zlib libffi ];
  };

  redis = build {
    name = "redis";
    phases = ". ${./redis.sh}";
    inputs = [ openssl ];
    makeFlags = "PREFIX=${placeholder "out"} MALLOC=libc BUILD_TLS=yes USE_SYSTEMD=no V=1";
  };

  # gcc itself is the machine's; its library for C++ is copied.
  libstdcxx = derive "libstdc++" { inherit glibc; } ''
    mkdir -p $out/lib
    cp -L "$(gcc -print-file-name=libstdc++.so.6)" $out/lib/libstdc++.so.6
    chmod u+w $out/lib/libstdc++.so.6
    patchelf --set-rpath $glibc/lib $out/lib/libstdc++.so.6
  '';

  wheel = import ../debian/wheel.nix {
    inherit legal python3;
    builder = system;
    emulator = "";
    lock = wheelLock;
    source = file wheels;
    # The loader is in lib itself.
    triplet = ".";
  };

  set = {
    inherit glibc bash coreutils gzip hello zlib libffi openssl cacert curl perl python3 redis;

    circus = wheel { name = "circus"; wheels = [ set.psutil set.pyzmq set.tornado ]; programs = true; };
    psutil = wheel { name = "psutil"; };
    tornado = wheel { name = "tornado"; };
    pyzmq = wheel { name = "pyzmq"; dependencies = [ libstdcxx ]; };
    python3Packages = { inherit (set) circus psutil pyzmq tornado; python = python3; };

    runtimeShell = "${bash}/bin/bash";
    runCommand = derive;
    runCommandCC = deriveC;
    pkgsStatic = { runCommandCC = deriveC; };
  } // import ../debian/writers.nix { inherit (set) runCommand runtimeShell; }
  // import ./small.nix { pkgs = set; };

  # The programs of programs/source.toml: name → store path with bin/run.
  programs = builtins.mapAttrs
    (name: { packages, run, breaks ? false, slim ? true }: derive "program-${name}"
      {
        inherit run bash;
        passAsFile = [ "run" ];
        packages = map (package: set.${package}) (packages ++ [ "coreutils" ]);
      } ''
      mkdir -p $out/bin
      path=
      for package in $packages; do path=$path:$package/bin; done
      {
          echo "#!$bash/bin/bash"
          echo 'set -euo pipefail'
          echo "export PATH=''${path#:}"
          cat "$runPath"
      } > $out/bin/run
      chmod +x $out/bin/run
    '')
    (builtins.fromTOML (builtins.readFile ./programs/source.toml));
in
set // {
  inherit programs;

  # A link to each of them, as the corpus has.
  all = derivation {
    name = "source-corpus";
    inherit system;
    builder = "/bin/sh";
    args = [ "-e" ../corpus/link-all.sh ];
    links = map (name: "source/${name} ${programs.${name}}") (builtins.attrNames programs);
  };
}
