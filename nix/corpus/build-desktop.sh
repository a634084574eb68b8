# Builder: $out/bin/run, a script that runs a program with windows as the wrappers of nixpkgs' wrapGAppsHook and
# wrapQtAppsHook do: what it needs comes in front of what the caller's variables name.
#
# From Nix: runPath and buildPath (scripts), search (search.sh), bash, places (store paths whose files are to be found),
# triplet.
PATH=/usr/bin:/bin
umask 022
. "$search"

prefix() { # VARIABLE DIRECTORY...
    variable=$1
    shift
    list=$(listed "$@")
    [ -z "$list" ] || echo "export $variable='$list'\${$variable:+:\$$variable}"
}

# A file that a program of the closure writes of modules that it is given.
cache() { # VARIABLE FILE PROGRAM MODULE...
    variable=$1 file=$out/lib/$2 program=$(ls -d $(for place in $places; do echo "$place/$3"; done) 2>/dev/null || true)
    shift 3
    modules=$(ls -d $(for place in $places; do for module; do echo "$place/$module"; done; done) 2>/dev/null || true)
    [ -n "$program" ] && [ -n "$modules" ] || return 0
    mkdir -p "$out/lib"
    $program $modules > "$file"
    echo "export $variable=$file"
}

# What is made of the files that all store paths have in a directory: settings, and kinds of files.
compile() { # PROGRAM DIRECTORY FILES
    program=$(ls $(for place in $places; do echo "$place/$1"; done) 2>/dev/null || true)
    [ -n "$program" ] || return 0
    mkdir -p "$out/$3"
    for place in $places; do
        cp -n "$place/$3"/*.xml "$out/$3/" 2>/dev/null || true
    done
    "$program" "$out/$2" 2>/dev/null
    rm -f "$out/$3"/*.xml
}

libraries=lib/$triplet
mkdir -p "$out/bin"
compile "$libraries/glib-2.0/glib-compile-schemas" share/glib-2.0/schemas share/glib-2.0/schemas
compile bin/update-mime-database share/mime share/mime/packages
{
    echo "#!$bash/bin/bash -e"
    prefix PATH bin
    places="$out $places" prefix XDG_DATA_DIRS share
    cache GDK_PIXBUF_MODULE_FILE loaders.cache "$libraries/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders" \
        "$libraries/gdk-pixbuf-2.0/2.*/loaders/*.so"
    cache GTK_IM_MODULE_FILE immodules.cache "$libraries/libgtk-3-0/gtk-query-immodules-3.0" \
        "$libraries/gtk-3.0/3.0.0/immodules/*.so"
    prefix GIO_EXTRA_MODULES "$libraries/gio/modules"
    prefix QT_PLUGIN_PATH "$libraries/qt5/plugins" "$libraries/qt6/plugins"
    prefix QML2_IMPORT_PATH "$libraries/qt5/qml" "$libraries/qt6/qml"
    # nixpkgs' libraries have these compiled in.
    echo "export XKB_CONFIG_ROOT=$(listed share/X11/xkb)"
    echo "export XLOCALEDIR=$(listed share/X11/locale)"
    cat "$runPath"
} > "$out/bin/run"
chmod +x "$out/bin/run"
out=$out "$bash/bin/bash" -e "$buildPath"
exit 0
