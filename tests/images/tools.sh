# Copies and unpacks an image: image.tar (gzip), and zstd.tar.
case $(id -u) in 0) rootless= unshare= ;; *) rootless=--rootless unshare="buildah unshare" ;; esac

# skopeo: to the form of docker, and back.
skopeo inspect oci-archive:image.tar >inspect.json
skopeo copy --quiet oci-archive:image.tar oci:layout:image
skopeo copy --quiet oci:layout:image docker-archive:docker.tar:image:latest
skopeo copy --quiet docker-archive:docker.tar oci:back:image
skopeo copy --quiet oci:back:image oci-archive:back.tar
# What we write has the form of docker, too.
skopeo copy --quiet docker-archive:image.tar oci:from-docker:image
podman load --quiet --input docker.tar
[ "$(podman run --rm --log-driver=passthrough image)" = "Hello from a closure of two paths." ]
skopeo copy --quiet oci-archive:zstd.tar oci:zstd:image

# umoci, and crun on what it has unpacked.
umoci unpack $rootless --image layout:image bundle
python3 - bundle/config.json <<'END'
import json, sys
with open(sys.argv[1]) as file:
    config = json.load(file)
config["process"]["terminal"] = False
config["process"].pop("rlimits", None)
# A rootless bundle of umoci's has one user.
if config["linux"].get("uidMappings"):
    config["process"]["user"] = {"uid": 0, "gid": 0}
with open(sys.argv[1], "w") as file:
    json.dump(config, file)
END
[ "$(crun --root /tmp/crun --cgroup-manager=disabled run --bundle bundle hello)" = "Hello from a closure of two paths." ]

# buildah
buildah from --quiet --name work oci-archive:image.tar
[ "$(buildah run work -- /bin/hello)" = "Hello from a closure of two paths." ]
$unshare bash -euxc 'tar -cf buildah.tar -C "$(buildah mount work)" nix'
