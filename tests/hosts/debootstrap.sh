#!/bin/sh
# Makes the directory $1: the user land of Debian's release $2 with the packages $3, and as boot/vmlinuz its kernel.
#
# Needs root and a mount namespace of its own: it works in memory, since dpkg waits for the disk at each package.
set -eu
mount -t tmpfs -o mode=755 memory /mnt
debootstrap --variant=minbase --include="$3" "$2" /mnt >&2

architecture=$(dpkg --print-architecture)
kernel=$(chroot /mnt apt-cache depends "linux-image-cloud-$architecture" | sed -n 's/.*Depends: //p')
chroot /mnt sh -c "cd /tmp && apt-get -q download $kernel" >&2
dpkg-deb --fsys-tarfile /mnt/tmp/linux-image-*.deb | tar -x -C /mnt --wildcards './boot/vmlinuz-*'
mv /mnt/boot/vmlinuz-* /mnt/boot/vmlinuz
rm /mnt/tmp/linux-image-*.deb
chroot /mnt apt-get clean

# Every machine has it; debootstrap does not make it.
echo 127.0.0.1 localhost >/mnt/etc/hosts
chroot /mnt useradd --create-home alice
# A run that was broken off leaves its copy behind.
rm -rf "$1"
cp -a /mnt "$1"
