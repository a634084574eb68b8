//! A bundle, and how `packer build` is called to make one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::closure::Closure;
use crate::fixture::{once, stamp};
use crate::program::{packer, run};
use crate::store::Store;

/// A bundle that `packer build` made.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it is; its name is its default entry's.
    pub path: PathBuf,
}

/// How a bundle is packed.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    closures: Vec<PathBuf>,
    entries: Vec<String>,
    options: Vec<OsString>,
}

impl Bundle {
    /// Starts describing a bundle of a closure.
    pub fn of(closure: &Closure) -> Builder {
        Builder { closures: vec![closure.path.clone()], entries: Vec::new(), options: Vec::new() }
    }

    /// Starts describing a bundle of a path in a store made by hand.
    pub fn of_store(store: &Store, base_name: &str) -> Builder {
        let path = PathBuf::from("/nix/store").join(base_name);
        Bundle::of(&Closure { path }).option("--store-root", store.root())
    }

    /// The bundle of the probe that runs from the cache, at /nix/store, on every host.
    #[must_use]
    pub fn probe() -> Bundle {
        Bundle::probe_in("namespace")
    }

    /// The bundle of the probe that runs in one mode only.
    #[must_use]
    pub fn probe_in(mode: &str) -> Bundle {
        Bundle::of(&Closure::probe()).entry("/bin/probe").option("--mode", mode).pack()
    }

    /// What `packer inspect --json` says of it.
    #[must_use]
    pub fn inspect(&self) -> Value {
        let ended = run(Command::new(packer()).arg("inspect").arg(&self.path).arg("--json"));
        serde_json::from_str(&ended.stdout()).expect("inspect --json prints JSON")
    }

    /// The modes it can be made to use on a host that doesn't have its store paths.
    #[must_use]
    pub fn modes(&self) -> Vec<String> {
        let info = self.inspect();
        let modes = info["modes"].as_array().expect("modes are listed").iter();
        let names = modes.map(|mode| mode.as_str().expect("a mode is text").to_owned());
        names.filter(|mode| mode != "host").collect()
    }

    /// Where the payload begins: bytes from the start of the file.
    #[must_use]
    pub fn payload(&self) -> usize {
        let offset = self.inspect()["stub_bytes"].as_u64().expect("inspect tells the stub's size");
        offset.try_into().expect("a bundle fits into memory")
    }
}

impl Builder {
    /// Adds an entry; the first is the default.
    pub fn entry(mut self, program: &str) -> Builder {
        self.entries.push(program.to_owned());
        self
    }

    /// Adds entries.
    pub fn entries(self, programs: &[&str]) -> Builder {
        programs.iter().fold(self, |builder, program| builder.entry(program))
    }

    /// Adds an option of `packer build`.
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Builder {
        self.options.extend([name.into(), value.as_ref().into()]);
        self
    }

    /// Leaves out what only Nix's database has, as a build in Nix does.
    pub fn without_path_info(mut self) -> Builder {
        self.options.push("--no-path-info".into());
        self
    }

    /// Adds an option of `packer build` that has no value.
    pub fn flag(mut self, name: &str) -> Builder {
        self.options.push(name.into());
        self
    }

    /// Packs it into a directory, under its default entry's name.
    #[must_use]
    pub fn pack_into(&self, directory: &Path) -> Bundle {
        let path = directory.join(self.name());
        self.write(&path);
        Bundle { path }
    }

    /// Packs it with the real packer, once for all tests that ask for the same.
    #[must_use]
    pub fn pack(&self) -> Bundle {
        let inputs = (stamp(&packer()), &self.closures, &self.entries, &self.options);
        Bundle { path: once(self.name(), inputs, |output| self.write(output)) }
    }

    fn name(&self) -> &str {
        let first = self.entries.first().expect("tests name the entry");
        first.rsplit('/').next().unwrap_or(first)
    }

    fn write(&self, output: &Path) {
        run(self.command().arg("--output").arg(output)).expect_code(0);
    }

    /// The command that packs it, without the output; what another build compressed is of no use to it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(packer());
        // No directory: nothing is kept there.
        command.arg("build").env("XDG_CACHE_HOME", "/dev/null");
        for path in &self.closures {
            command.arg("--closure").arg(path);
        }
        for entry in &self.entries {
            command.args(["--entry", entry]);
        }
        command.args(&self.options);
        command
    }
}
