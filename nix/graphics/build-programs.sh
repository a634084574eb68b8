# Builder: programs, and the loaders that they find their drivers by.
#
# From Nix: programs (store paths), and what loaders.sh needs.
PATH=/usr/bin:/bin
export LC_ALL=C
umask 022

. "$loadersScript"
mkdir "$out/bin"
for place in $programs; do
    for file in "$place"/bin/*; do
        program=$out/bin/$(basename "$file" ".$triplet")
        cp "$file" "$program"
        chmod u+w "$program"
        bind_driver "$program"
    done
done
exit 0
