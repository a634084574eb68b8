#!/bin/sh
# Makes the directory $1: the files of Debian's packages $3…, for any architecture. $2 is a root directory with apt.
#
# Needs root and a mount namespace of its own: what apt has to know of other architectures is forgotten with it.
set -eu
output=$1 root=$2
shift 2
mount -t tmpfs -o mode=755 memory /mnt
mkdir /mnt/changes /mnt/work /mnt/root /mnt/files
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/changes,workdir=/mnt/work" overlay /mnt/root
inside() {
    chroot /mnt/root "$@"
}
for package; do
    case $package in *:*) inside dpkg --add-architecture "${package#*:}" ;; esac
done
inside apt-get -q update >&2
for package; do
    # A kernel's own package has its version in the name; one without depends on it.
    case $package in
    linux-image-*) package=$(inside apt-cache depends "$package" | sed -n 's/.*Depends: //p') ;;
    esac
    inside sh -c "cd /tmp && apt-get -q download $package" >&2
done
for package in /mnt/root/tmp/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C /mnt/files --exclude './lib' --exclude './usr/lib'
done
# A kernel's name has its version.
for kernel in /mnt/files/boot/vmlinuz-*; do
    [ ! -e "$kernel" ] || mv "$kernel" /mnt/files/boot/vmlinuz
done
# A run that was broken off leaves its copy behind.
rm -rf "$output"
cp -a /mnt/files "$output"
