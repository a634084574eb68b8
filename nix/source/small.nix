# Small programs that refer to the store in one way each.
{ pkgs }:

let
  compile = name: environment: script: pkgs.runCommandCC name (environment // { source = ./programs; }) script;

  wrap = name: environment: script: pkgs.runCommandCC name
    (environment // { inherit (pkgs) bash hello; makeWrapper = ./make-wrapper.sh; }) ''
    . $makeWrapper
    mkdir -p $out/bin
    ${script}
  '';

  copy = name: text: compile name { text = pkgs.writeText text "Text of a store path\n"; } ''
    mkdir -p $out/bin
    cc -O2 -DNAME="\"$text\"" -o $out/bin/${name} $source/copied.c
  '';

  # Runs hello, found in PATH.
  greet = "hello --greeting=\"$GREETING, $*\"";
in
rec {
  # A library, and its data.
  libtext = compile "libtext" { data = pkgs.writeText "text" "Text of a store path\n"; } ''
    mkdir -p $out/lib $out/include $out/share
    cp $data $out/share/text
    cp $source/text.h $out/include/
    cc -O2 -fPIC -shared -DTEXT="\"$out/share\"" -o $out/lib/libtext.so $source/text.c
  '';

  linked = compile "linked" { inherit libtext; } ''
    mkdir -p $out/bin
    cc -O2 -I$libtext/include -o $out/bin/linked $source/linked.c -L$libtext/lib -Wl,-rpath,$libtext/lib -ltext
  '';

  # The compiler's constants of a name's copies: 16 bytes each, one after the other.
  copied = copy "copied" "a-text-with-a-long-name";

  # The last constant repeats bytes of the one before, if the name is no longer than this: the hash is in pieces.
  cut = copy "cut" "t";

  threads = compile "threads" { } ''
    mkdir -p $out/bin
    cc -O2 -pthread -o $out/bin/threads $source/threads.c
  '';

  static = compile "static" { } ''
    mkdir -p $out/bin
    cc -O2 -static -o $out/bin/static $source/static.c
  '';

  wrapped-shell = wrap "wrapped-shell" { } ''
    { echo "#!$bash/bin/bash"; echo '${greet}'; } > $out/bin/greet
    chmod +x $out/bin/greet
    wrap_shell $out/bin/greet $hello/bin GREETING wrapped
  '';

  wrapped-binary = wrap "wrapped-binary" { } ''
    { echo "#!$bash/bin/bash"; echo '${greet}'; } > $out/bin/greet
    chmod +x $out/bin/greet
    wrap_binary $out/bin/greet $hello/bin GREETING wrapped
  '';

  # As buildPythonApplication makes it.
  wrapped-python = wrap "wrapped-python" { python = pkgs.python3; } ''
    site=$out/lib/python-greet
    mkdir -p $site
    echo 'import os, subprocess
    HERE = "'$out'"
    def main():
        print(os.path.exists(HERE), flush=True)
        subprocess.run(["hello"], check=True)' > $site/greet.py
    $python/bin/python3 -IB -m compileall -q -f --invalidation-mode checked-hash $site
    { echo "#!$python/bin/python3"
      echo "import sys;import site;import functools;sys.argv[0] = '$out/bin/greet';functools.reduce(lambda k, p: site.addsitedir(p, k), ['$site'], site._init_pathinfo());"
      echo 'import greet'
      echo 'greet.main()'; } > $out/bin/greet
    chmod +x $out/bin/greet
    wrap_shell $out/bin/greet $hello/bin PYTHONNOUSERSITE true
  '';
}
