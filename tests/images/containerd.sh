# Runs markov.tar and zstd.tar with containerd, which is unpacked in /srv/containerd.
export PATH=/srv/containerd/usr/bin:$PATH
# What it keeps in /run is this machine's alone.
mount -t tmpfs tmpfs /run
mkdir /tmp/containerd
cat >/tmp/containerd/config.toml <<'END'
version = 2
root = "/tmp/containerd/root"
state = "/tmp/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/tmp/containerd/socket"
END
# Nobody hands a control group over.
cat >/tmp/containerd/crun <<'END'
#!/bin/sh
exec crun --cgroup-manager=disabled "$@"
END
chmod 755 /tmp/containerd/crun
containerd --config /tmp/containerd/config.toml 2>/tmp/containerd/log &
ctr() { command ctr --address /tmp/containerd/socket "$@"; }
for _ in $(seq 600); do
    ! ctr version >/dev/null 2>&1 || break
    sleep 0.1
done
url=127.0.0.1:8000
for image in markov zstd; do
    ctr image import $image.tar
    memory=type=tmpfs,src=tmpfs,options=mode=1777
    ctr run --net-host --read-only --mount $memory,dst=/tmp --mount $memory,dst=/work --env MARKOV_LISTEN_ADDR=$url \
        --runc-binary /tmp/containerd/crun localhost/$image:1 $image &
    for _ in $(seq 600); do
        ! curl --silent --fail "$url/generate?numParts=1" || break
        sleep 0.1
    done
    curl --silent --fail --data-binary 'hello world.' $url/build
    [ "$(curl --silent "$url/generate?numParts=2")" = 'hello world.' ]
    ctr task kill --signal SIGTERM $image
    wait $!
done
