//! wrappe: unpacks to the directory for temporary files, and checks every file before each start.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::run;

use crate::closures::Subject;
use crate::fixture::{beside, extracted};

/// Packs a subject at level 19; other options have wrappe's defaults.
pub(crate) fn pack(subject: &Subject) -> PathBuf {
    beside(&subject.bundle, "wrappe", |to| pack_to(subject, to))
}

/// Packs a subject to this path.
pub(crate) fn pack_to(subject: &Subject, to: &Path) {
    let wrappe = env::var_os("WRAPPE").expect("WRAPPE names the program, as in `make bench`");
    let mut command = Command::new(wrappe);
    command.args(["--compression", "19"]).arg(extracted(&subject.bundle));
    run(command.arg(subject.entry_below()).arg(to)).expect_code(0);
}
