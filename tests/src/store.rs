//! A store that a test makes by hand.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A store made by hand, for what Nix itself would not let in: `packer build --store-root`.
#[derive(Debug)]
pub struct Store {
    directory: TempDir,
}

impl Store {
    /// A base name of a store path to put files below.
    pub const PATH: &str = "0c5b8vw40dy178xlpddw65q9gf1h2186-odd";

    /// Another one.
    pub const OTHER: &str = "1b9p07z77phvv2hf6gm9f28syp39f1ag-other";

    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Store {
        let directory = tempfile::tempdir().expect("make a directory");
        fs::create_dir_all(directory.path().join("nix/store")).expect("make a store");
        Store { directory }
    }

    /// The directory above `nix/store`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where a path below `nix/store` is.
    #[must_use]
    pub fn at(&self, path: impl AsRef<OsStr>) -> PathBuf {
        self.root().join("nix/store").join(Path::new(path.as_ref()))
    }

    /// Adds a file, and the directories above it.
    pub fn file(&self, path: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
        let path = self.at(path);
        parents(&path);
        fs::write(&path, content).expect("write a file");
        path
    }

    /// Adds a program: a copy of one, executable.
    pub fn program(&self, path: impl AsRef<OsStr>, program: &Path) -> PathBuf {
        let content = fs::read(program).expect("read a program");
        self.executable(path, &content)
    }

    /// Adds an executable file.
    pub fn executable(&self, path: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
        let path = self.file(path, content);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("set a mode");
        path
    }

    /// Adds a link.
    pub fn link(&self, path: impl AsRef<OsStr>, target: &[u8]) {
        let path = self.at(path);
        parents(&path);
        symlink(OsStr::from_bytes(target), path).expect("make a link");
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

fn parents(path: &Path) {
    let parent = path.parent().expect("a file has a directory");
    fs::create_dir_all(parent).expect("make directories");
}
