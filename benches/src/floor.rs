//! Minimal programs that do only the system calls of a start. No launcher can be faster.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{run, source};

use crate::fixture;

/// Compiles `floor/NAME.c` to a static program.
pub(crate) fn program(name: &str) -> PathBuf {
    compile(name, &fixture::directory().join("floor").join(name))
}

/// Compiles `floor/NAME.c` to a program at this path.
pub(crate) fn compile(name: &str, to: &Path) -> PathBuf {
    let from = source().join("benches/floor").join(format!("{name}.c"));
    std::fs::create_dir_all(to.parent().expect("a file has a directory"))
        .expect("make a directory");
    let mut command = Command::new("musl-gcc");
    command.args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o"]);
    run(command.arg(to).arg(from)).expect_code(0);
    to.to_owned()
}
