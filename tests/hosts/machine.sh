#!/bin/bash
# The first process of a virtual machine becomes systemd, which starts this as its only service: it runs each line that
# arrives at the serial port as a command of bash, and answers with a line: exit status, stdout and stderr, these in
# hexadecimal digits.
if [ $$ = 1 ]; then
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/systemd/system
    printf '[Service]\nExecStart=/srv/machine.sh\n' >/run/systemd/system/machine.service
    exec /lib/systemd/systemd --unit=machine.service
fi
exec </dev/ttyS0 >/dev/ttyS0
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
