# Builder: $out/bin/run, a script that runs a program as a wrapper of nixpkgs would, with all it needs found by
# environment variables.
#
# From Nix: runPath and buildPath (scripts), search (search.sh), bash, places (store paths whose files are to be found),
# triplet, functions (to start servers and to type into a terminal), typelibs (the Perl script beside this).
PATH=/usr/bin:/bin
umask 022
. "$search"

# A variable, and the directories of each store path that it lists.
search() { # VARIABLE DIRECTORY...
    variable=$1
    shift
    list=$(listed "$@")
    [ -z "$list" ] || echo "export $variable='$list'"
}

# The configuration of fontconfig, as nixpkgs' makeFontsConf writes it, but without a cache.
fonts() {
    for place in $places; do
        [ ! -d "$place/etc/fonts/conf.d" ] || configuration=$place/etc/fonts/conf.d
    done
    [ -n "${configuration:-}" ] || return 0
    mkdir -p "$out/etc"
    {
        echo '<fontconfig>'
        for place in $places; do
            [ ! -d "$place/share/fonts" ] || echo "<dir>$place/share/fonts</dir>"
        done
        echo "<include>$configuration</include>"
        echo '<cachedir prefix="xdg">fontconfig</cachedir>'
        echo '</fontconfig>'
    } > "$out/etc/fonts.conf"
    echo "export FONTCONFIG_FILE=$out/etc/fonts.conf"
}

mkdir -p "$out/bin"
linker=
for place in $places; do
    [ ! -x "$place/bin/ld" ] || linker=$place/bin/ld
    for file in "$place/lib/$triplet"/ld-linux-*.so.*; do
        [ ! -e "$file" ] || loader=$file
    done
done
if [ -n "$linker" ]; then
    # What compilers make finds the loader and libraries in the store, as it does with nixpkgs' wrappers.
    mkdir "$out/libexec"
    # Not at run time: gcc adds the machine's directories to LIBRARY_PATH.
    eval "$(search rpath "lib/$triplet")"
    printf '#!%s\nexec %s "$@" -dynamic-linker %s -rpath %s\n' "$bash/bin/bash" "$linker" "$loader" "$rpath" > "$out/libexec/ld"
    chmod +x "$out/libexec/ld"
fi
perl "$typelibs" "$out/typelibs" "$triplet" $places
{
    echo "#!$bash/bin/bash -e"
    search PATH bin
    search XDG_DATA_DIRS share
    search PYTHONPATH lib/python3/dist-packages
    search PERL5LIB share/perl5 'share/perl/5.*[0-9]' "lib/$triplet/perl5/5.*[0-9]" "lib/$triplet/perl/5.*[0-9]" "lib/$triplet/perl-base"
    search RUBYLIB lib/ruby/vendor_ruby 'lib/ruby/[0-9]*' "lib/$triplet/ruby/[0-9]*" "lib/$triplet/ruby/vendor_ruby/[0-9]*"
    search GEM_PATH 'share/rubygems-integration/*' "lib/$triplet/rubygems-integration/[0-9]*"
    search NODE_PATH share/nodejs lib/nodejs "lib/$triplet/nodejs"
    [ ! -d "$out/typelibs" ] || echo "export GI_TYPELIB_PATH='$out/typelibs'"
    search TERMINFO_DIRS lib/terminfo share/terminfo
    search R_LIBS lib/R/site-library lib/R/library
    search GUILE_LOAD_PATH 'share/guile/[0-9]*'
    search GUILE_LOAD_COMPILED_PATH "lib/$triplet/guile/*/ccache"
    search OCAMLPATH lib/ocaml
    search LOCPATH lib/locale
    if [ -n "$linker" ]; then
        search C_INCLUDE_PATH include "include/$triplet"
        search CPLUS_INCLUDE_PATH 'include/c++/[0-9]*' "include/$triplet/c++/[0-9]*" include "include/$triplet"
        search LIBRARY_PATH "lib/$triplet"
        echo "export PATH=$out/libexec:\$PATH"
    fi
    search GCONV_PATH "lib/$triplet/gconv"
    fonts
    echo "export LC_ALL=C.UTF-8"
    cat "$functions"
} > "$out/bin/run"
if [ -s "$buildPath" ]; then
    head=$PWD/head
    cp "$out/bin/run" "$head"
    chmod +x "$head"
    { cat "$head"; cat "$buildPath"; } > build
    HOME=$PWD out=$out "$bash/bin/bash" -e build
fi
cat "$runPath" >> "$out/bin/run"
chmod +x "$out/bin/run"
exit 0
