//! The virtual machines: their kernels, and what they start from.

use std::env::consts;
use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Bundle, run};

use crate::column::PACKED;
use crate::compositions;
use crate::debian::{debian_11, debian_13, kernel, kernel_of_64_kib, packages};
use crate::virtual_machine::{Model, install_script};

/// Debian 11 with its kernel, and with its systemd as the first process.
pub(crate) static DEBIAN_11: Model = Model {
    needed: &["debootstrap", "mke2fs", "qemu-system-x86_64"],
    release: "5.10.",
    as_new: "[ ! -e /run/systemd/system/bundle.service ] || \
        systemctl stop bundle.socket bundle 2>/dev/null; systemctl stop 'user@*'; \
        rm -rf /nix /home/alice /root/.cache /root/* /tmp/* /var/tmp/* /run/bundle && \
        rm -rf /run/systemd/system/bundle.* /run/systemd/system/*.bundle /run/systemd/system/*/bundle.conf /var/cache/private /var/lib/private && \
        find /var/cache /var/lib -lname 'private/*' -delete && \
        sed -i /^squatter:/d /etc/passwd && install -d -o alice -g alice /home/alice && \
        echo 1 >/proc/sys/kernel/unprivileged_userns_clone",
    install: |srv| {
        install_script("service.sh", srv);
        install_script("confined.pl", srv);
        install_columns(srv, consts::ARCH);
        compositions::install_for_shell(srv);
        for mode in ["relocate", "namespace"] {
            let copy = srv.join(format!("probe-{mode}"));
            fs::copy(Bundle::probe_in(mode).path, copy).expect("copy a bundle");
        }
    },
    emulator: |srv, files| from_disk(&debian_11(), srv, files),
};

/// Debian 13 with its kernel and AppArmor.
pub(crate) static DEBIAN_13: Model = Model {
    needed: DEBIAN_11.needed,
    release: "6.12.",
    as_new: "umount /proc/sys/kernel 2>/dev/null; \
        mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security; \
        for profile in /etc/apparmor.d/packed-*; do \
            [ ! -e $profile ] || apparmor_parser -R $profile && rm -f $profile; \
        done; \
        rm -rf /nix /home/alice /root/.cache /tmp/* /var/tmp/* && \
        install -d -o alice -g alice /home/alice",
    install: |srv| {
        install_script("apparmor.profiles", srv);
        install_script("with_profile.sh", srv);
        install_columns(srv, consts::ARCH);
    },
    emulator: |srv, files| from_disk(&debian_13(), srv, files),
};

/// Linux for aarch64 with pages of 4 KiB, and a user land of busybox and bash.
pub(crate) static AARCH64: Model = Model {
    needed: &[
        "aarch64-linux-gnu-gcc",
        "cpio",
        "debootstrap",
        "qemu-aarch64-static",
        "qemu-system-aarch64",
    ],
    release: "6.12.",
    as_new: "rm -rf /nix /home/alice /root/.cache /tmp/* /var/tmp/* && \
        install -d -o alice -g alice /home/alice",
    install: |srv| install_columns(srv, "aarch64"),
    emulator: |srv, files| {
        from_memory(&kernel("linux-aarch64", "linux-image-cloud-arm64:arm64"), srv, files)
    },
};

/// The same with pages of 16 KiB.
pub(crate) static AARCH64_16_KIB: Model = Model {
    emulator: |srv, files| {
        from_memory(&kernel("linux-aarch64-16k", "linux-image-arm64-16k:arm64"), srv, files)
    },
    ..AARCH64
};

/// The same with pages of 64 KiB.
pub(crate) static AARCH64_64_KIB: Model = Model {
    needed: &[
        "aarch64-linux-gnu-gcc",
        "bc",
        "bison",
        "cpio",
        "debootstrap",
        "flex",
        "make",
        "qemu-aarch64-static",
        "qemu-system-aarch64",
    ],
    emulator: |srv, files| from_memory(&kernel_of_64_kib(), srv, files),
    ..AARCH64
};

fn install_columns(srv: &Path, processor: &str) {
    PACKED.iter().for_each(|packed| packed.install_for_shell(srv, processor));
}

/// The kernel's parameters: the root directory is on a disk, as on a real machine.
const FROM_DISK: &str = "console=ttyS1 panic=-1 root=/dev/nvme0n1 rw init=/bin/sh -- -c \
    \"mount -t devtmpfs dev /dev && exec /srv/machine.sh\"";

/// A machine like this one, with a user land and the kernel in it.
fn from_disk(root: &Path, srv: &Path, files: &Path) -> Command {
    let disk = files.join("disk");
    // One disk: the kernel gives several of them their names in any order. The size is that of a file with holes; it
    // announces the file that it makes.
    let make = "mount --bind \"$1\" \"$2/srv\" && exec mke2fs -q -t ext4 -d \"$2\" \"$3\" 2500M";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", make, "sh"]).arg(srv).arg(root).arg(&disk);
    run(&mut command).expect_code(0);
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-m", "1024", "-kernel"]).arg(root.join("boot/vmlinuz"));
    command.args(["-append", FROM_DISK, "-device", "nvme,serial=1,drive=disk", "-drive"]);
    command.arg(format!("if=none,format=raw,cache=unsafe,id=disk,file={}", disk.display()));
    command
}

/// A machine for aarch64 with all its files in memory, since few kernels have the same drivers built in.
fn from_memory(kernel: &Path, srv: &Path, files: &Path) -> Command {
    let tree = files.join("tree");
    let bin = tree.join("bin");
    fs::create_dir_all(&bin).expect("make a directory");
    let user_land = packages("busybox-aarch64", &["bash-static:arm64", "busybox-static:arm64"]);
    for (package, program) in [("usr/bin/busybox", "busybox"), ("usr/bin/bash-static", "bash")] {
        fs::copy(user_land.join(package), bin.join(program)).expect("copy a program");
    }
    install_script("init.sh", &tree);
    fs::rename(tree.join("init.sh"), tree.join("init")).expect("rename a file");
    fs::rename(srv, tree.join("srv")).expect("rename a directory");
    let archive = "find . | cpio --quiet --create --format newc >../archive";
    run(Command::new("sh").args(["-ec", archive]).current_dir(&tree)).expect_code(0);
    fs::remove_dir_all(&tree).expect("remove what is in the archive");
    let mut command = Command::new("qemu-system-aarch64");
    // A processor that has pages of each size.
    command.args(["-M", "virt", "-cpu", "cortex-a76", "-m", "1536", "-kernel"]).arg(kernel);
    command.arg("-initrd").arg(files.join("archive"));
    command.args(["-append", "console=ttyAMA0 panic=-1 quiet"]);
    command
}
