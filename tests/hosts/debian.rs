//! Directories with files of Debian, which rows of the matrix and virtual machines share.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{once, run, source};

/// The root directory of Debian 11, with its kernel as `boot/vmlinuz`; made once.
///
/// systemd: it is the first process of the virtual machine. libnss-systemd: the names of the users that it makes.
/// procps: /bin/kill, for units that reload.
pub(crate) fn debian_11() -> PathBuf {
    user_land("debian-11", "bullseye", "libnss-systemd,procps,systemd")
}

/// The root directory of Debian 13, with its kernel as `boot/vmlinuz`; made once.
pub(crate) fn debian_13() -> PathBuf {
    user_land("debian-13", "trixie", "apparmor,iproute2")
}

/// Debian 13's kernel from a package, with its architecture; made once.
pub(crate) fn kernel(name: &str, package: &str) -> PathBuf {
    packages(name, &[package]).join("boot/vmlinuz")
}

/// A kernel for aarch64 with pages of 64 KiB, built from Debian 13's source; made once.
pub(crate) fn kernel_of_64_kib() -> PathBuf {
    let source = packages("linux-source", &["linux-source-6.12"]);
    let source = source.join("usr/src/linux-source-6.12.tar.xz");
    made_by("kernel.sh", "linux-aarch64-64k", &[&source])
}

fn user_land(name: &str, release: &str, packages: &str) -> PathBuf {
    made_by("debootstrap.sh", name, &[release.as_ref(), packages.as_ref()])
}

/// The files of packages of Debian 13, each with its architecture: what is outside of /lib and /usr/lib; made once.
pub(crate) fn packages(name: &str, packages: &[&str]) -> PathBuf {
    let root = debian_13();
    let names = packages.iter().map(Path::new);
    let arguments: Vec<&Path> = [root.as_path()].into_iter().chain(names).collect();
    made_by("packages.sh", name, &arguments)
}

/// What a script writes to the path that it is given first.
fn made_by(script: &str, name: &str, arguments: &[&Path]) -> PathBuf {
    let script = source().join("tests/hosts").join(script);
    let text = std::fs::read(&script).expect("read a script");
    once(name, (text, arguments), |output| {
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(&script).arg(output).args(arguments);
        run(&mut command).expect_code(0);
    })
}
