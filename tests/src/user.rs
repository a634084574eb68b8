//! Who runs a program: root, or an ordinary user whose number nobody else has.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

/// Who runs the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The group's number; another one than the user's, so that a mix-up shows.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

/// The first of the numbers for ordinary users: above those that distributions, subuid ranges of a first
/// few accounts and systemd give away.
const FIRST_UID: u32 = 0x5000_0000;

/// Users for one process of tests; the next process's begin behind them.
const USERS: u32 = 0x400;

impl User {
    /// Real root, with all its powers.
    #[must_use]
    pub fn root() -> User {
        User { uid: 0, gid: 0, groups: vec![0] }
    }

    /// An ordinary user whose number nobody else has.
    ///
    /// Needs no account: for the kernel a user is a number.
    #[must_use]
    pub fn ordinary() -> User {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % USERS;
        let uid = FIRST_UID + process::id() % 0x8_0000 * USERS + number;
        User::numbered(uid)
    }

    /// The ordinary user with this number.
    #[must_use]
    pub fn numbered(uid: u32) -> User {
        if uid == 0 {
            User::root()
        } else {
            User { uid, gid: uid + 1, groups: vec![100, uid + 1, uid + 2] }
        }
    }

    /// Whether this is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The place of the home directory on a host.
    #[must_use]
    pub fn home(&self) -> &'static Path {
        Path::new(if self.is_root() { "/root" } else { "/home/alice" })
    }

    /// Gives a file to the user.
    ///
    /// # Errors
    ///
    /// Those of chown(2).
    pub fn own(&self, path: &Path) -> std::io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Makes the calling process this user's. Allocates nothing, for use after fork.
    ///
    /// # Errors
    ///
    /// If the caller isn't root.
    pub fn become_user(&self, groups: &[Gid]) -> nix::Result<()> {
        if self.is_root() {
            return Ok(());
        }
        setgroups(groups)?;
        setgid(Gid::from_raw(self.gid))?;
        setuid(Uid::from_raw(self.uid))
    }

    /// The groups as [`User::become_user`] takes them.
    #[must_use]
    pub fn gids(&self) -> Vec<Gid> {
        self.groups.iter().copied().map(Gid::from_raw).collect()
    }
}
