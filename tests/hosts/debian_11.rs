//! The user land of Debian 11, which rows of the matrix and the virtual machine share.

use std::path::PathBuf;
use std::process::Command;

use tests::{once, run, source};

/// The root directory of Debian 11, with its kernel as `boot/vmlinuz`; made once.
pub(crate) fn debian_11() -> PathBuf {
    let script = source().join("tests/hosts/debootstrap.sh");
    let text = std::fs::read(&script).expect("read a script");
    once("debian-11", text, |output| {
        run(Command::new("unshare").arg("--mount").arg(&script).arg(output)).expect_code(0);
    })
}
