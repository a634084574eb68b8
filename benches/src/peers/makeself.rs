//! makeself: a shell script in front of an archive. It unpacks at every start, and removes the files at the end.

use std::path::PathBuf;
use std::process::Command;

use tests::run;

use crate::closures::Subject;
use crate::fixture::{beside, extracted};

/// Packs a subject with zstd at level 19.
pub(crate) fn pack(subject: &Subject) -> PathBuf {
    beside(&subject.bundle, "makeself", |to| {
        let mut command = Command::new("makeself");
        command.args(["--zstd", "--complevel", "19", "--nox11", "--quiet", "--tar-format", "gnu"]);
        command.arg(extracted(&subject.bundle)).arg(to).arg("closure");
        run(command.arg(format!("./{}", subject.entry_below()))).expect_code(0);
    })
}
