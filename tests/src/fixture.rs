//! Files that are made once and kept in the target directory, however many tests ask for them.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::program::target;

/// Takes a lock that the test programs of all processes share. It is released when the file is dropped.
pub(crate) fn lock(name: &str) -> Flock<File> {
    let directory = directory();
    let file = File::create(directory.join(format!("{name}.lock"))).expect("make a lock file");
    Flock::lock(file, FlockArg::LockExclusive).expect("take a lock")
}

/// Makes the file `name` once for these inputs, whichever test program comes first.
///
/// `make` is given the path to write to. Files of other inputs remain until `cargo clean`.
#[must_use]
pub fn once(name: &str, inputs: impl Hash, make: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    let directory = directory().join(format!("{name}-{:016x}", hasher.finish()));
    let path = directory.join(name);
    let _lock = lock(name);
    if !path.exists() {
        fs::create_dir_all(&directory).expect("make a fixture's directory");
        let half = directory.join("half");
        make(&half);
        fs::rename(&half, &path).expect("publish a fixture");
    }
    path
}

/// What changes when a program is built again.
pub(crate) fn stamp(program: &Path) -> impl Hash + use<> {
    let meta =
        fs::metadata(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    (program.to_owned(), meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino())
}

fn directory() -> PathBuf {
    let directory = target().join("fixtures");
    fs::create_dir_all(&directory).expect("make the fixtures' directory");
    directory
}
