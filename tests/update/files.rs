//! Files, with a directory of their own, and calls of packer.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use tests::{Bundle, Ended, Pair, Store, packer, probe, run};

/// A low level: compressing takes most of the time.
const LEVEL: &str = "3";

/// A directory with the bundles `old` and `new`.
pub(crate) struct Files(TempDir);

impl Files {
    /// Two small bundles of the probe: the new one has another text, and one more file.
    pub(crate) fn small() -> Files {
        static BUNDLES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
        let pack = || {
            ["old", "new"].map(|version| {
                let store = Store::new();
                let root = Store::PATH;
                store.program(format!("{root}/bin/probe"), &probe());
                store.file(format!("{root}/share/text"), format!("{version}\n").as_bytes());
                store.file(format!("{root}/share/{version}"), version.as_bytes());
                let bundle = Bundle::of_store(&store, root).entry("/bin/probe");
                let bundle = bundle.option("--level", LEVEL).pack_into(store.root());
                fs::read(bundle.path).expect("read a bundle")
            })
        };
        let [old, new] = BUNDLES.get_or_init(pack);
        Files::of(old, new)
    }

    /// The bundles of a pair of closures, with the entry `/bin/markov`.
    pub(crate) fn of_pair(pair: &Pair) -> Files {
        let pack = |closure| {
            let bundle = Bundle::of(closure).entry("/bin/markov").option("--level", LEVEL).pack();
            fs::read(bundle.path).expect("read a bundle")
        };
        Files::of(&pack(&pair.old), &pack(&pair.new))
    }

    fn of(old: &[u8], new: &[u8]) -> Files {
        let directory = tempfile::Builder::new().prefix("update-").tempdir();
        let files = Files(directory.expect("make a directory"));
        for (name, bytes) in [("old", old), ("new", new)] {
            files.write(name, bytes);
        }
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("read a file")
    }

    /// Writes a file that may be executed.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write a file");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("change a file");
    }

    /// Makes the delta.
    pub(crate) fn delta(&self, options: &[&str]) -> Vec<u8> {
        let words = ["delta", "old", "new", "-o", "delta"];
        self.packer(&[&words, options].concat()).expect_quiet();
        self.read("delta")
    }

    /// The names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).expect("list it");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("list it").file_name().into_string().expect("a name is text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// A command in the directory.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory()).env("HOME", self.directory());
        command.env("XDG_CACHE_HOME", "/dev/null");
        command
    }

    /// Runs packer.
    pub(crate) fn packer(&self, arguments: &[&str]) -> Ended {
        run(self.command(packer()).args(arguments))
    }
}
