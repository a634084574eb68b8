#!/bin/sh
# Makes the file $1: Linux for aarch64 with pages of 64 KiB, from Debian's source $2, a tar file. Debian has no such
# kernel. It has what a start needs, and no drivers but the serial port's.
set -eu
# Beside what it makes: /tmp may be too small.
directory=$(mktemp -d "$1.XXXXXX")
trap 'rm -rf "$directory"' EXIT
tar -x -C "$directory" --strip-components 1 -f "$2"
cd "$directory"
export ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-
make -s tinyconfig >&2
cat >>.config <<END
CONFIG_ARM64_64K_PAGES=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_CC_OPTIMIZE_FOR_PERFORMANCE=y
CONFIG_DEVTMPFS=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_FILE_LOCKING=y
CONFIG_FUTEX=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_INET=y
CONFIG_MEMFD_CREATE=y
CONFIG_MISC_FILESYSTEMS=y
CONFIG_MULTIUSER=y
CONFIG_NAMESPACES=y
CONFIG_NET=y
CONFIG_OVERLAY_FS=y
CONFIG_POSIX_TIMERS=y
CONFIG_PRINTK=y
CONFIG_PROC_FS=y
CONFIG_PROC_SYSCTL=y
CONFIG_SECCOMP=y
CONFIG_SERIAL_AMBA_PL011=y
CONFIG_SERIAL_AMBA_PL011_CONSOLE=y
CONFIG_SHMEM=y
CONFIG_SIGNALFD=y
CONFIG_SYSFS=y
CONFIG_TIMERFD=y
CONFIG_TMPFS=y
CONFIG_TTY=y
CONFIG_UNIX=y
CONFIG_USER_NS=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_AIO=y
CONFIG_BUG=y
CONFIG_MEMBARRIER=y
CONFIG_RSEQ=y
END
make -s olddefconfig >&2
for option in ARM64_64K_PAGES BLK_DEV_INITRD OVERLAY_FS SERIAL_AMBA_PL011_CONSOLE TMPFS USER_NS; do
    grep -qx "CONFIG_$option=y" .config || { echo "$option is not in this kernel" && exit 1; } >&2
done
make -s -j "${JOBS:-$(nproc)}" Image >&2
mv arch/arm64/boot/Image "$1"
