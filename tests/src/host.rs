//! A host: a user, a /nix and directories of its own, on which bundles are started.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::processes::Processes;
use crate::program::run;
use crate::root::{Change, Nix, Root};
use crate::start::Start;
use crate::user::User;

/// A machine to run bundles on: a user, a /nix, and directories of its own.
///
/// /home, /root, /srv, /tmp and /var/tmp are this host's alone and empty at first; all else is the
/// machine's. When the host is dropped, what still runs on it is killed and its files are removed.
#[derive(Debug)]
pub struct Host {
    /// Who runs what is started here.
    pub user: User,
    /// What is at /nix.
    pub nix: Nix,
    root: Arc<Root>,
    own: &'static [Own],
    base: TempDir,
}

/// A directory of the host's own: where it is on it, and below its base outside; its mode.
type Own = (&'static str, &'static str, u32);

/// Those of a host that has what the machine has.
const OWN: [Own; 5] = [
    ("/home", "home", 0o755),
    ("/root", "root", 0o700),
    ("/srv", "srv", 0o755),
    ("/tmp", "tmp", 0o1777),
    ("/var/tmp", "var-tmp", 0o1777),
];

/// That of a host that has nothing else.
const ALL_OWN: [Own; 1] = [("/", "all", 0o755)];

impl Host {
    /// Makes a host.
    #[must_use]
    pub fn new(user: User, nix: Nix) -> Host {
        Host::changed(user, nix, &[])
    }

    /// Makes a host whose file system has changes.
    #[must_use]
    pub fn changed(user: User, nix: Nix, changes: &[Change]) -> Host {
        let root = |workplace: &Path, replaced: &[(&Path, &Path)]| {
            Root::new(workplace, nix, replaced, changes).expect("list /")
        };
        let host = Host::made(user, nix, &OWN, root);
        if !host.user.is_root() {
            host.directory(host.user.home(), 0o700);
        }
        host
    }

    /// Makes a host with an empty root directory, of which everything is the host's own.
    #[must_use]
    pub fn empty(user: User, changes: &[Change]) -> Host {
        let root = |workplace: &Path, replaced: &[(&Path, &Path)]| {
            Root::only(workplace, replaced[0].1, changes)
        };
        Host::made(user, Nix::Absent, &ALL_OWN, root)
    }

    fn made(
        user: User,
        nix: Nix,
        own: &'static [Own],
        root: impl FnOnce(&Path, &[(&Path, &Path)]) -> Root,
    ) -> Host {
        assert!(
            geteuid().is_root(),
            "these tests make namespaces and act as other users, which takes root: run `make test`"
        );
        let base =
            tempfile::Builder::new().prefix("packer-host-").tempdir().expect("make a directory");
        let directory = |name: &str, mode| {
            let path = base.path().join(name);
            fs::create_dir(&path).expect("make a host's directory");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set its mode");
            path
        };
        let paths: Vec<PathBuf> =
            own.iter().map(|(_, name, mode)| directory(name, *mode)).collect();
        let replaced: Vec<(&Path, &Path)> = own
            .iter()
            .zip(&paths)
            .map(|((at, ..), path)| (Path::new(*at), path.as_path()))
            .collect();
        let root = root(&directory("new-root", 0o755), &replaced);
        Host { user, nix, root: Arc::new(root), own, base }
    }

    /// The hosts on which every bundle must work: ordinary user and real root, each without any /nix
    /// and with one that has other paths in it.
    #[must_use]
    pub fn every() -> Vec<Host> {
        let users = || [User::ordinary(), User::root()];
        let nix = [Nix::Absent, Nix::OtherPaths];
        nix.into_iter().flat_map(|nix| users().map(|user| Host::new(user, nix))).collect()
    }

    /// The most common host: an ordinary user, and no /nix.
    #[must_use]
    pub fn ordinary() -> Host {
        Host::new(User::ordinary(), Nix::Absent)
    }

    /// Where a file of one of the host's own directories is outside of it.
    #[must_use]
    pub fn outside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let place = self.own.iter().find_map(|(at, name, _)| {
            let below = path.strip_prefix(at).ok()?;
            // Not join: with an empty path it would add a slash.
            Some(self.base.path().join(name).components().chain(below.components()).collect())
        });
        place
            .unwrap_or_else(|| panic!("{} is not in a directory of the host's own", path.display()))
    }

    /// A path below the user's home directory, as the host sees it.
    #[must_use]
    pub fn home(&self, below: &str) -> PathBuf {
        self.user.home().join(below)
    }

    /// The cache, as the host sees it.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.home(".cache/packed")
    }

    /// Puts a copy of a program into /srv, where everybody may run it, and returns its path there.
    #[must_use]
    pub fn install(&self, program: impl AsRef<Path>) -> PathBuf {
        let program = program.as_ref();
        let name = program.file_name().expect("a program has a name");
        self.install_as(program, Path::new("/srv").join(name))
    }

    /// Puts a copy of a program at a path of the host and returns that path.
    #[must_use]
    pub fn install_as(&self, program: impl AsRef<Path>, path: impl Into<PathBuf>) -> PathBuf {
        let path = path.into();
        let outside = self.outside(&path);
        let directory = outside.parent().expect("a program has a directory");
        fs::create_dir_all(directory).expect("make a program's directory");
        // By cp: a descriptor that this process writes with could be inherited by a program that another
        // thread starts at this moment, and then the copy can't be executed (ETXTBSY). Removed first,
        // since nobody can write to a program that runs.
        let mut copy = Command::new("cp");
        copy.arg("--remove-destination").arg(program.as_ref()).arg(&outside);
        run(&mut copy).expect_code(0);
        fs::set_permissions(&outside, Permissions::from_mode(0o755)).expect("set its mode");
        path
    }

    /// Makes a directory that the user owns and returns its path on the host.
    pub fn directory(&self, path: impl Into<PathBuf>, mode: u32) -> PathBuf {
        let path = path.into();
        let outside = self.outside(&path);
        fs::create_dir_all(&outside).expect("make a directory");
        fs::set_permissions(&outside, Permissions::from_mode(mode)).expect("set its mode");
        self.user.own(&outside).expect("give it to the user");
        path
    }

    /// Starts describing how a program of the host is started.
    pub fn start(&self, program: impl Into<PathBuf>) -> Start {
        Start::new(program.into(), &self.root, &self.user)
    }

    /// What runs on the host now.
    #[must_use]
    pub fn processes(&self) -> Processes {
        Processes::with_mounts_of(self.base.path())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.processes().kill();
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.user.is_root() { "root" } else { "an ordinary user" };
        let nix = match self.nix {
            Nix::Absent => "no /nix",
            Nix::Empty => "an empty /nix/store",
            Nix::OtherPaths => "other paths in /nix/store",
            Nix::SamePaths => "the same paths in /nix/store",
        };
        write!(f, "{user}, {nix}")
    }
}
