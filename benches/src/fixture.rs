//! Fixtures: files that are made once and kept below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, run, target};

/// Returns the directory of the benchmarks.
pub(crate) fn directory() -> PathBuf {
    let directory = target().join("benches");
    fs::create_dir_all(&directory).expect("make the bench's directory");
    directory
}

/// Makes a file or directory if it does not exist; `make` gets the path to write to.
pub(crate) fn once(path: PathBuf, make: impl FnOnce(&Path)) -> PathBuf {
    if !path.exists() {
        let half = path.with_extension("half");
        // Left by an interrupted run.
        shell("rm -rf \"$1\"", &[&half]);
        let parent = path.parent().expect("a fixture has a directory");
        fs::create_dir_all(parent).expect("make a fixture's directory");
        make(&half);
        fs::rename(&half, &path).expect("publish a fixture");
    }
    path
}

/// Makes a file from a bundle, and keeps it beside the bundle. Bundles with different inputs are in different
/// directories.
pub(crate) fn beside(bundle: &Bundle, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    once(bundle.path.with_file_name(name), make)
}

/// Extracts the closure of a bundle; returns the directory above `nix/store`.
pub(crate) fn extracted(bundle: &Bundle) -> PathBuf {
    beside(bundle, "extracted", |to| {
        let mut command = Command::new(tests::packer());
        run(command.arg("extract").arg(&bundle.path).arg("--to").arg(to)).expect_code(0);
    })
}

/// Copies the payload of a bundle to a file: a zstd stream of a tar archive.
pub(crate) fn payload(bundle: &Bundle) -> PathBuf {
    beside(bundle, "payload.tar.zst", |to| {
        let offset = (bundle.payload() + 1).to_string();
        shell("tail -c \"+$1\" \"$2\" >\"$3\"", &[offset.as_ref(), &bundle.path, to]);
    })
}

/// Runs a line of shell, which must succeed; the arguments are `$1` and so on.
pub(crate) fn shell(line: &str, arguments: &[&Path]) {
    let mut command = Command::new("sh");
    run(command.args(["-ec", line, "sh"]).args(arguments)).expect_code(0);
}
