//! Machines where closures are packed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tests::{Ended, Host, Nix, Start, User, packer, run, until};

use crate::made::{Cache, made};

/// A machine with `packer`.
pub(crate) struct Machine {
    pub(crate) host: Host,
    packer: PathBuf,
}

impl Machine {
    /// One of an ordinary user, without Nix.
    pub(crate) fn new() -> Machine {
        Machine::of(Host::ordinary())
    }

    /// One of root, with Nix's store.
    pub(crate) fn with_nix() -> Machine {
        Machine::of(Host::new(User::root(), Nix::SamePaths))
    }

    /// One on a host that a test makes.
    pub(crate) fn of(host: Host) -> Machine {
        let packer = host.install(packer());
        Machine { host, packer }
    }

    /// `packer build` of the closure, which knows the key.
    pub(crate) fn build(&self, options: &[&str]) -> Start {
        let made = made();
        let start = self.build_of(&made.root).args(["--trusted-key", &made.key]);
        start.args(["--timeout", "1"]).args(options)
    }

    /// `packer build` of a store path.
    pub(crate) fn build_of(&self, root: &str) -> Start {
        let start = self.host.start(&self.packer).args(["build", "--closure", root]);
        start.args(["--level", "1", "--output", "bundle"])
    }

    /// Packs from caches.
    pub(crate) fn pack(&self, from: &[&str]) -> Ended {
        let options: Vec<&str> = from.iter().flat_map(|url| ["--from", *url]).collect();
        self.build(&options).run()
    }

    /// Packs from caches, and checks that the bundle is the one from the store.
    #[track_caller]
    pub(crate) fn pack_all(&self, from: &[&str]) {
        let ended = self.pack(from);
        ended.expect_code(0);
        self.expect_bundle();
    }

    /// Checks that the bundle is the one that is packed from the store.
    #[track_caller]
    pub(crate) fn expect_bundle(&self) {
        assert!(self.bundle() == *expected(), "the bundle is another one");
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        fs::read(self.outside("bundle")).expect("read the bundle")
    }

    /// Whether there is a bundle, or a part of one.
    pub(crate) fn has_bundle(&self) -> bool {
        self.outside("bundle").exists()
    }

    /// Puts a copy of a cache on the machine; returns the directory.
    pub(crate) fn install(&self, cache: &Cache) -> String {
        let at = Path::new("/srv/cache");
        let outside = self.host.outside(at);
        // It may be an older copy.
        let _ = fs::remove_dir_all(&outside);
        run(std::process::Command::new("cp").arg("-rT").arg(cache.path()).arg(&outside))
            .expect_code(0);
        run(std::process::Command::new("chmod").arg("755").arg(outside)).expect_code(0);
        at.to_str().expect("a path is text").to_owned()
    }

    /// Writes a file below the home directory, which is the user's; returns its path on the machine.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let outside = self.outside(name);
        fs::create_dir_all(outside.parent().expect("a directory")).expect("make a directory");
        fs::write(&outside, content).expect("write a file");
        self.host.user.own(&outside).expect("give it to the user");
        self.host.home(name)
    }

    /// The directory of the kept NARs.
    pub(crate) fn nars(&self) -> PathBuf {
        self.outside(".cache/packer/nars")
    }

    /// The names of the kept NARs.
    pub(crate) fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.nars()) else { return Vec::new() };
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("list them").file_name().into_string().expect("a name is text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.host.outside(self.host.home(name))
    }
}

/// Runs packer; returns also the most memory that it had at once, in KiB.
pub(crate) fn measured(start: Start) -> (Ended, u64) {
    let mut running = start.spawn();
    let status = format!("/proc/{}/status", running.pid());
    let mut most = 0;
    until("packer ends", || {
        // At its end, there is no such line.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        most = most.max(number.unwrap_or(0));
        running.has_ended().then_some(())
    });
    (running.wait(), most)
}

/// The bundle of the closure, packed from the store of this machine, which has all signatures.
fn expected() -> &'static Vec<u8> {
    static BUNDLE: OnceLock<Vec<u8>> = OnceLock::new();
    BUNDLE.get_or_init(|| packed_from_store(&[]))
}

/// Packs the closure from the store of this machine.
pub(crate) fn packed_from_store(options: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("make a directory");
    let bundle = directory.path().join("bundle");
    let mut command = std::process::Command::new(packer());
    command.args(["build", "--level", "1", "--closure", &made().root]).args(options);
    run(command.arg("--output").arg(&bundle)).expect_code(0);
    fs::read(bundle).expect("read the bundle")
}

/// What `packer inspect` says of a bundle.
pub(crate) fn inspect(bundle: &[u8]) -> Value {
    let file = tempfile::NamedTempFile::new().expect("make a file");
    fs::write(file.path(), bundle).expect("write the bundle");
    let mut command = std::process::Command::new(packer());
    let text = run(command.args(["inspect", "--json"]).arg(file.path())).stdout();
    serde_json::from_str(&text).expect("it prints JSON")
}
