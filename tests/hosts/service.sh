#!/bin/bash
# Starts a bundle as bundle.service, whose unit is there: the command line is $@, stdin and these variables are this
# script's own. What the service prints and how it ends becomes this script's; SIGTERM stops the service.
directory=/run/bundle
drop_in=/run/systemd/system/bundle.service.d
rm -rf $directory
mkdir -p $directory $drop_in
cat >$directory/stdin
{
    printf '%s\n' '[Service]' ExecStart= "ExecStart=$(printf '"%s" ' "$@")"
    for name in PACKED_LOG MARKOV_LISTEN_ADDR; do
        echo "Environment=\"$name=${!name}\""
    done
    printf 'Standard%s\n' Input=file:$directory/stdin Output=file:$directory/stdout Error=file:$directory/stderr
    # systemd forgets the status of a service that ended well.
    echo "ExecStopPost=+/bin/sh -c 'echo \$\$EXIT_CODE \$\$EXIT_STATUS >$directory/ended'"
} >$drop_in/start.conf
systemctl daemon-reload
trap 'systemctl stop bundle' TERM
# A unit that is wrong never starts.
state=$(systemctl show bundle -p LoadState --value)
[ "$state" = loaded ] || { echo "bundle.service: $state" && exit 1; } >&2
systemctl start bundle
until [ -s $directory/ended ]; do
    sleep 0.1
done
cat $directory/stdout
cat $directory/stderr >&2
read -r how status <$directory/ended
[ "$how" = exited ] || status=$((128 + $(kill -l "$status")))
exit "$status"
