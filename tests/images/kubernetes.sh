# Runs manifests.yaml with the image markov.tar, whose name they know.
podman load --quiet --input markov.tar
podman play kube manifests.yaml
url=127.0.0.1:8000
for _ in $(seq 600); do
    ! curl --silent --fail "$url/generate?numParts=1" || break
    sleep 0.1
done
curl --silent --fail --data-binary 'hello world.' $url/build
[ "$(curl --silent "$url/generate?numParts=2")" = 'hello world.' ]
container=markov-pod-0-markov
podman exec $container /bin/env COMPOSED=status /bin/markov | grep '^server *ready'
[ "$(podman inspect $container --format '{{.HostConfig.ReadonlyRootfs}} {{.Config.User}}')" = 'true 1000:1000' ]
podman play kube --down manifests.yaml
# The claim is a volume that stays.
data=$(podman volume inspect markov-data --format '{{.Mountpoint}}')
podman unshare grep -q world "$data"/appendonlydir/markov.data.*.incr.aof
