use std::path::PathBuf;
use std::process::Command;

use crate::fixture::once;
use crate::program::{run, source};

/// The root directory of Debian 11, with its kernel as `boot/vmlinuz`; made once.
#[must_use]
pub fn debian_11() -> PathBuf {
    let script = source().join("tests/hosts/debian-11");
    let text = std::fs::read(&script).expect("read a script");
    once("debian-11", text, |output| {
        run(Command::new("unshare").arg("--mount").arg(&script).arg(output)).expect_code(0);
    })
}
