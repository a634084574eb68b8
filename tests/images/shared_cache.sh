# Builds the image on the page and runs it, as an ordinary user who can write nowhere. $1 is the shared cache.
cp -a "$1" packed
podman build --quiet --tag shared .
for mode in relocate namespace; do
    status=0
    podman run --rm --log-driver=passthrough --read-only --read-only-tmpfs=false --security-opt seccomp=unconfined \
        --env PACKED_LOG=debug --env PACKED_MODE=$mode shared exit 7 2>said || status=$?
    cat said
    [ $status = 7 ]
    grep "in the shared cache $1" said
    grep "mode $mode" said
    [ -z "$(grep unpacking said)" ]
done
