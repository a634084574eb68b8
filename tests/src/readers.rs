//! Everything that reads a bundle, called on the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::Resource;

use crate::ended::Ended;
use crate::host::Host;
use crate::program::packer;
use crate::start::Start;
use crate::tree;

/// Everything that reads a bundle, on a host of its own.
#[derive(Debug)]
pub struct Readers {
    /// The host.
    pub host: Host,
    packer: PathBuf,
}

/// Where a bundle is installed, and where it is extracted to.
const PROGRAM: &str = "/srv/other";
const TO: &str = "/tmp/to";

/// Seconds of processor time: a safety net for a reader that hangs.
const PATIENCE: u64 = 1800;

/// The ends of the paths to where store paths are extracted to.
const ABOVE: [&str; 4] = ["/one", "/two", "/nix", "/nix/store"];

impl Readers {
    /// Makes a host for them.
    #[must_use]
    pub fn new() -> Readers {
        let host = Host::ordinary();
        let packer = host.install(packer());
        Readers { host, packer }
    }

    /// Has all of them read a file that is no good bundle: one that starts it in `mode`, and those that verify and
    /// extract it, each with this much memory; returns what they say.
    #[must_use]
    #[track_caller]
    pub fn refusals(&self, bytes: &[u8], mode: &str, memory: u64) -> [String; 5] {
        let program = self.install(bytes);
        let bound = |start: Start| {
            let start = start.limit(Resource::RLIMIT_AS, memory, memory);
            start.limit(Resource::RLIMIT_CPU, PATIENCE, PATIENCE)
        };
        let start = |name: &str, value: &str| {
            let start = bound(self.host.start(&program)).args(["exit", "9"]);
            start.env(name, value).run().refusal().0
        };
        let packer = |arguments: &[&str]| {
            let command = bound(self.host.start(&self.packer)).args(arguments);
            command.run().expect_refusal(1).0
        };
        let [to, to_other] = ["one", "two"].map(|name| format!("{TO}/{name}"));
        let _ = self.host.directory(TO, 0o755);
        let refusals = [
            start("PACKED_MODE", mode),
            start("PACKED", "verify"),
            start("PACKED", &format!("extract={to}")),
            packer(&["verify", PROGRAM]),
            packer(&["extract", PROGRAM, "--to", &to_other]),
        ];
        // A store path is extracted whole or not at all; the directories above may be there.
        let mut left = tree::list(&self.host.outside(TO)).expect("list what was extracted");
        left.retain(|path, _| !ABOVE.iter().any(|above| path.ends_with(above)));
        assert!(left.is_empty(), "{left:?}");
        refusals
    }

    /// Checks that nothing of what was refused is in the cache, and that a bundle of the same content runs.
    #[track_caller]
    pub fn expect_clean(&self, good: &[u8]) {
        let listed = self.packer(&["cache", "list"]).stdout();
        assert!(!listed.contains("probe"), "{listed}");
        let program = self.install(good);
        self.host.start(&program).args(["exit", "9"]).run().expect_code(9);
    }

    /// Runs `packer` on the host.
    #[must_use]
    pub fn packer(&self, arguments: &[&str]) -> Ended {
        self.host.start(&self.packer).args(arguments).run()
    }

    /// Installs a bundle.
    pub fn install(&self, bytes: &[u8]) -> PathBuf {
        let file = tempfile::NamedTempFile::new().expect("make a file");
        fs::write(&file, bytes).expect("write a bundle");
        self.host.install_as(file.path(), Path::new(PROGRAM))
    }
}

impl Default for Readers {
    fn default() -> Readers {
        Readers::new()
    }
}
