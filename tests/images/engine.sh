# Sets engines up for machines like this one, and starts a script that uses them.
#
#     engine.sh SCRIPT ARGUMENTS…     SCRIPT is tests/hosts/container.sh, which chooses the user
set -eu
script=$1
shift
# A network of its own, with the ports of everybody's examples.
ip link set lo up
# For a rootless network; it is root's alone on some machines.
mknod /tmp/tun c 10 200
chmod 666 /tmp/tun
mount --bind /tmp/tun /dev/net/tun
mkdir /tmp/settings
# Without systemd, nobody hands a control group over; the limits are not more than what the machine itself has.
cat >/tmp/settings/containers.conf <<'END'
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
netns = "host"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "/tmp/libpod"
END
cat >/tmp/settings/storage.conf <<'END'
[storage]
driver = "overlay"
graphroot = "/tmp/store"
rootless_storage_path = "/tmp/store"
runroot = "/tmp/run"
END
export CONTAINERS_CONF=/tmp/settings/containers.conf CONTAINERS_STORAGE_CONF=/tmp/settings/storage.conf
export BUILDAH_ISOLATION=chroot
exec /bin/sh -c "$script" container.sh "$@"
