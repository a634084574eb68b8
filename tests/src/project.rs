//! A copy of `tests/project`: a flake that stands for what a user works on.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::program::{packer, source};

/// A copy of `tests/project`, which is a flake, in a directory of its own. It stands for nixpkgs as well.
#[derive(Debug)]
pub struct Project {
    base: TempDir,
}

impl Project {
    /// Settings of Nix for a machine alone: no daemon's users to build as, no cache to ask.
    pub const SETTINGS: &str = "build-users-group =\nsandbox = false\nsubstituters =\n";

    /// Makes a copy of which nothing was built yet.
    #[must_use]
    pub fn new() -> Project {
        let project = Project {
            base: tempfile::Builder::new().prefix("project-").tempdir().expect("a directory"),
        };
        let path = project.path();
        fs::create_dir(&path).expect("make the project's directory");
        for name in ["default.nix", "flake.nix"] {
            fs::copy(source().join("tests/project").join(name), path.join(name))
                .expect("copy the project");
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
        fs::write(path.join("stamp"), format!("{}-{now}\n", process::id())).expect("stamp it");
        let registry = serde_json::json!({ "version": 2, "flakes": [{
            "from": { "type": "indirect", "id": "nixpkgs" },
            "to": { "type": "path", "path": path },
        }] });
        fs::write(project.registry(), registry.to_string()).expect("write a registry");
        project
    }

    /// The directory with the flake.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.base.path().join("project")
    }

    /// The home directory of those who work on it.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.base.path()
    }

    /// A command in the project's directory, where `packer` is on PATH and `nixpkgs` is the project.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let packer = packer();
        let directory = packer.parent().expect("a program has a directory").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&path)));
        let registry = self.registry().display().to_string();
        let mut command = Command::new(program);
        command.current_dir(self.path()).env("HOME", self.home());
        command.env("PATH", path.expect("PATH is one"));
        command.env("NIX_CONFIG", format!("{}flake-registry = {registry}\n", Project::SETTINGS));
        command.env("NIX_PATH", format!("nixpkgs={}", self.path().display()));
        command.env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        command
    }

    /// `packer build` in the project's directory.
    #[must_use]
    pub fn build(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(packer());
        command.arg("build").args(arguments);
        command
    }

    fn registry(&self) -> PathBuf {
        self.base.path().join("registry.json")
    }
}

impl Default for Project {
    fn default() -> Project {
        Project::new()
    }
}
