# The directories that each store path of $places has, joined by colons.
listed() { # DIRECTORY...
    list=
    for place in $places; do
        for directory; do
            for found in $place/$directory; do
                # A share with nothing but copyright files in it has nothing to find.
                [ -d "$found" ] && [ "$(ls "$found")" != doc ] || continue
                list=$list:$found
            done
        done
    done
    echo "${list#:}"
}
