# Runs a command that starts a container, as root or without root's powers.
#
#     container.sh root|rootless COMMAND ARGUMENTS…
set -eu
who=$1
shift
# The machine's own may be a mixture of both versions, which crun refuses.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
image=/home/alice/image
mkdir -p $image
# Whoever the program will be.
chmod 1777 /srv/data
if [ "$who" = rootless ]; then
    user=4711
    for file in passwd subuid subgid; do
        cp /etc/$file /tmp/$file
        case $file in
        passwd) echo "alice:x:$user:$user::/home/alice:/bin/sh" >>/tmp/$file ;;
        *) echo "alice:100000:65536" >/tmp/$file ;;
        esac
        mount --bind /tmp/$file /etc/$file
    done
    mkdir -p /home/alice/run
    chown $user:$user /home/alice /home/alice/run $image
    export HOME=/home/alice XDG_RUNTIME_DIR=/home/alice/run
    set -- setpriv --reuid $user --regid $user --clear-groups "$@"
fi
exec "$@"
