# Moves Debian's directories to where Nix has them: /usr/bin, /sbin … → $out/bin, /usr/lib, /lib64 … → $out/lib.
#
# Left out: /var, manual pages and message catalogues (the programs look for them below /usr), files for an installed
# system's other programs (init scripts, crash reporters, package checkers). Copyright files stay.

merge() { # FROM TO
    [ -d "$root/$1" ] && [ ! -L "$root/$1" ] || return 0
    mkdir -p "$out/$2"
    cp -a "$root/$1/." "$out/$2/"
}

# The directories of programs become one: a link from one of them to the same name in another is left out.
for link in "$root"/bin/* "$root"/sbin/* "$root"/usr/bin/* "$root"/usr/sbin/*; do
    [ -L "$link" ] || continue
    target=$(readlink "$link")
    case $target in /*) target=$root$target ;; *) target=${link%/*}/$target ;; esac
    case $target in */bin/"${link##*/}" | */sbin/"${link##*/}") [ ! -f "$target" ] || rm "$link" ;; esac
done
for directory in bin sbin usr/bin usr/sbin; do merge $directory bin; done
for directory in lib lib64 usr/lib usr/lib64; do merge $directory lib; done
merge usr/libexec libexec
merge usr/include include
merge usr/share share
merge etc etc

for directory in man info locale lintian bug doc-base apport bash-completion runit; do
    rm -rf "$out/share/$directory"
done
for directory in init.d default logrotate.d cron.d systemd ld.so.conf.d runit; do
    rm -rf "$out/etc/$directory"
done
rm -rf "$out/lib/systemd" "$out/lib/valgrind"
find "$out/share/doc" -type f ! -name copyright -delete 2>/dev/null || true

# Where a file of the .deb is now.
moved() { # /PATH-IN-DEB
    printf %s "$1" | sed -E \
        -e 's,^(/usr)?/s?bin/,bin/,' -e 's,^(/usr)?/lib(64)?/,lib/,' -e 's,^/usr/(share|libexec|include)/,\1/,' -e 's,^/etc/,etc/,'
}

# Links in a .deb are meant for /: each is found again in this store path or in a dependency, or left out.
find "$root" -type l | while read -r link; do
    inside=${link#"$root"}
    case $(readlink "$link") in
    /*) target=$(readlink "$link") ;;
    *) target=$(realpath -ms "$(dirname "$inside")/$(readlink "$link")") ;;
    esac
    here=$out/$(moved "$inside")
    [ -L "$here" ] || continue
    rm "$here"
    for place in "$out" $dependencies; do
        # A target that is itself a link may have been replaced already or come later: look at the name only.
        if [ -e "$place/$(moved "$target")" ] || { [ "$place" = "$out" ] && [ -e "$root$target" -o -L "$root$target" ]; }; then
            there=$place/$(moved "$target")
            [ "$place" = "$out" ] && there=$(realpath -ms --relative-to="$(dirname "$here")" "$there")
            ln -s "$there" "$here"
            break
        fi
    done
done

find "$out" -xtype l -delete
find "$out" -depth -mindepth 1 -type d -empty -delete
