//! Calls of packer, with a home of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Bundle, Ended, packer, run};

/// A user's home, which is the current directory, too.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::Builder::new().prefix("registry-").tempdir().expect("make a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("make it");
        fs::write(&path, content).expect("write a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).expect("read a file")
    }

    /// A bundle with this name.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::copy(Bundle::probe().path, &path).expect("copy a bundle");
        path
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("list it");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("list it").file_name().into_string().expect("a name is text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// A command that has nothing of the tester's credentials.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env("HOME", self.path());
        let tester = ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"];
        for name in tester.into_iter().chain(["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
            command.env_remove(name);
        }
        command
    }

    /// Runs packer.
    pub(crate) fn packer(&self, arguments: &[&str]) -> Ended {
        run(self.command(packer()).args(arguments))
    }
}
