//! What is made once and kept below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Bundle, run, target};

/// The bench's own directory.
pub(crate) fn directory() -> PathBuf {
    let directory = target().join("benches");
    fs::create_dir_all(&directory).expect("make the bench's directory");
    directory
}

/// Makes a file or directory, unless it is there; `make` is given the path to write to.
pub(crate) fn once(path: PathBuf, make: impl FnOnce(&Path)) -> PathBuf {
    if !path.exists() {
        let half = path.with_extension("half");
        // From a run that was stopped; most often there is none.
        shell("rm -rf \"$1\"", &[&half]);
        let parent = path.parent().expect("a fixture has a directory");
        fs::create_dir_all(parent).expect("make a fixture's directory");
        make(&half);
        fs::rename(&half, &path).expect("publish a fixture");
    }
    path
}

/// Makes something out of a bundle: it is kept beside the bundle, which has a directory for each set of
/// inputs.
pub(crate) fn beside(bundle: &Bundle, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    once(bundle.path.with_file_name(name), make)
}

/// The closure of a bundle, as files: the directory above `nix/store`.
pub(crate) fn extracted(bundle: &Bundle) -> PathBuf {
    beside(bundle, "extracted", |to| {
        let mut command = Command::new(tests::packer());
        run(command.arg("extract").arg(&bundle.path).arg("--to").arg(to)).expect_code(0);
    })
}

/// The payload alone: a zstd stream of a tar archive.
pub(crate) fn payload(bundle: &Bundle) -> PathBuf {
    beside(bundle, "payload.tar.zst", |to| {
        let offset = (bundle.payload() + 1).to_string();
        shell("tail -c \"+$1\" \"$2\" >\"$3\"", &[offset.as_ref(), &bundle.path, to]);
    })
}

/// Runs a line of shell, which must do its work; the arguments are `$1` and so on.
pub(crate) fn shell(line: &str, arguments: &[&Path]) {
    let mut command = Command::new("sh");
    run(command.args(["-ec", line, "sh"]).args(arguments)).expect_code(0);
}
