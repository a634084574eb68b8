# Runs the programs of an image of the store alone, store.tar, in containers of another image.
#
#     store_only.sh PROGRAM
program=$1
podman load --quiet --input store.tar
printf 'FROM scratch\nCOPY sh /bin/sh\nWORKDIR /work\n' >Containerfile
podman build --quiet --isolation=chroot --tag base .
mount=type=image,source=registry.example.org/markov-store:1.0,destination=/nix/store
podman run --rm --log-driver=passthrough --mount $mount base /bin/sh -c 'ls /nix/store; ! echo >/nix/store/new' >listed
# As a pod, the container has a place for data, one for temporary files and a user of its own.
podman run --detach --name markov --mount $mount --volume data:/work --tmpfs /tmp:mode=1777 --user 1000 --read-only \
    --env MARKOV_LISTEN_ADDR=127.0.0.1:8000 base $program
for _ in $(seq 600); do
    ! curl --silent --fail "127.0.0.1:8000/generate?numParts=1" || break
    sleep 0.1
done
podman exec --env COMPOSED=status markov $program | grep '^server *ready'
podman stop markov
[ "$(podman inspect markov --format '{{.State.ExitCode}}')" = 0 ]
