#!/bin/busybox sh
# The first process of a virtual machine that starts from memory, with the files of the archive as root directory: it
# makes a root directory that is a mount. In the first one, the kernel refuses user namespaces as in a chroot.
busybox=/bin/busybox
$busybox mkdir /new
$busybox mount -t tmpfs -o mode=755,size=80% memory /new
cd /new
$busybox mkdir -p -m 755 dev etc home proc root run sys var
$busybox mkdir -m 1777 tmp var/tmp
$busybox cp -a /bin /srv .
$busybox --install -s bin
printf '%s:/bin/bash\n' root:x:0:0::/root alice:x:1000:1000::/home/alice >etc/passwd
printf '%s:\n' root:x:0 alice:x:1000 >etc/group
echo 127.0.0.1 localhost >etc/hosts
$busybox mount -t devtmpfs dev dev
exec $busybox switch_root /new /srv/machine.sh
