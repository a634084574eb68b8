#!/bin/bash
# The first process of a virtual machine becomes systemd, which starts this as its only service; where there is no
# systemd, it is this. It runs each line that arrives at the serial port as a command of bash, and answers with a line:
# exit status, stdout and stderr, these in hexadecimal digits.
if [ $$ = 1 ]; then
    mount -t tmpfs -o mode=755 tmpfs /run
    if [ -x /lib/systemd/systemd ]; then
        mkdir -p /run/systemd/system
        printf '[Service]\nExecStart=/srv/machine.sh\n' >/run/systemd/system/machine.service
        exec /lib/systemd/systemd --unit=machine.service
    fi
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    ip link set lo up
    # What the kernel says would be taken for answers where it has no port of its own.
    echo 1 >/proc/sys/kernel/printk
fi
port=/dev/ttyAMA0
[ -e $port ] || port=/dev/ttyS0
exec <$port >$port
# Neither echo nor control characters.
stty raw -echo
echo ready

digits() {
    echo "x$(od -A n -t x1 -v "$1" | tr -d ' \n')"
}

while IFS= read -r line; do
    bash -c "$line" </dev/null >/run/stdout 2>/run/stderr
    echo "$? $(digits /run/stdout) $(digits /run/stderr)"
done
