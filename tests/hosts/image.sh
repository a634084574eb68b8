# Builds an image in which a bundle is unpacked, as docs/checks.md says, and repairs and clears it in a container.
#
#     image.sh PODMAN     /srv has the bundle `hello`, and `sh`
set -eu
# The file system of an image is an overlay; the other options are as in containers.rs.
set -- "$1" --root=/tmp/store --runroot=/tmp/run --tmpdir=/tmp/libpod --storage-driver=overlay --runtime=crun \
    --cgroup-manager=cgroupfs --events-backend=none
cd /srv
cat >/tmp/Containerfile <<'END'
FROM scratch
COPY sh /bin/sh
COPY hello /hello
ENV PACKED_CACHE=/cache
RUN ["/hello"]
RUN ["/bin/sh", "-c", "PACKED=verify exec /hello"]
END
# Without a control group, as the containers.
"$@" build --isolation=chroot --file /tmp/Containerfile --tag image /srv >/tmp/built 2>&1 || { cat /tmp/built >&2; exit 1; }
exec "$@" run --rm --log-driver=passthrough --cgroups=disabled --ulimit=nofile=1024:4096 --ulimit=nproc=1000:1000 \
    --network=host image /bin/sh -euc '
        grep -o "^overlay / overlay" /proc/mounts
        PACKED_LOG=debug /hello 2>&1 | grep -c unpacking || :
        file=$(echo /cache/*-hello/bin/hello)
        chmod u+w $file
        echo altered >>$file
        PACKED=verify /hello | tail -n 1
        /hello
        PACKED=verify /hello | tail -n 1
        PACKED=clear /hello
        find /cache -name "*hello*"
        /hello'
