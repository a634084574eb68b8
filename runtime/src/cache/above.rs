//! The directories above a cache: who can put another directory in its place.

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, OFlags, Stat};

use super::directory::{Cache, Kind};
use crate::error::Unusable;
use crate::system::call::{self, OVERFLOW_UID};
use crate::system::file::{self, Permissions};

/// Checks that no other user can put another directory in the place of the cache.
///
/// A start that finds its bundle unpacked skips this check. The check passed when the bundle was
/// unpacked, and only the user or root can have changed the directories since then.
///
/// # Errors
///
/// If another user can, or if a directory cannot be checked.
pub(super) fn check_above(cache: &Cache) -> Result<(), Unusable> {
    let failed = |errno| Unusable::Failed("stat", errno);
    // Check the directories that the cache's path names.
    for (at, _) in cache.path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        check_holder(&rustix::fs::stat(&cache.path[..at.max(1)]).map_err(failed)?, cache.kind)?;
    }
    // A link leads where its owner wants, also later.
    for (at, _) in cache.path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
        check_link(&cache.path[..at])?;
    }
    check_link(&cache.path)?;
    // Check the directories that the cache is really in: the path may contain links.
    let above = |directory: &OwnedFd| {
        let directory = file::open(directory, c"..", OFlags::PATH, Permissions::empty())?;
        Ok((rustix::fs::fstat(&directory)?, directory))
    };
    let (mut stat, mut directory) = above(&cache.directory).map_err(failed)?;
    loop {
        check_holder(&stat, cache.kind)?;
        let (next, holder) = above(&directory).map_err(failed)?;
        if (next.st_dev, next.st_ino) == (stat.st_dev, stat.st_ino) {
            return Ok(());
        }
        (stat, directory) = (next, holder);
    }
}

/// Checks that only this user and root can replace what is in a directory. Its owner can, and so
/// can others with write permission, unless the directory is sticky.
///
/// A directory that the user's group may write to is accepted above a cache of one's own: this is common, and most such
/// groups have no other member. Above a shared cache it may be any group.
fn check_holder(stat: &Stat, kind: Kind) -> Result<(), Unusable> {
    let others = match kind {
        Kind::Own => 0o002,
        Kind::Shared => 0o022,
    };
    let is_sticky = stat.st_mode & 0o1000 != 0;
    if is_trusted(stat) && (is_sticky || stat.st_mode & others == 0) {
        Ok(())
    } else {
        Err(Unusable::ReplaceableByOthers)
    }
}

/// Checks that this user or root made a link; other files pass.
fn check_link(path: &[u8]) -> Result<(), Unusable> {
    let stat = rustix::fs::lstat(path).map_err(|errno| Unusable::Failed("stat", errno))?;
    let is_link = FileType::from_raw_mode(stat.st_mode).is_symlink();
    if is_link && !is_trusted(&stat) { Err(Unusable::ForeignLink(stat.st_uid)) } else { Ok(()) }
}

/// Whether this user or root owns a file. In a user namespace, root can be without a number.
fn is_trusted(stat: &Stat) -> bool {
    [0, call::user(), OVERFLOW_UID].contains(&stat.st_uid)
}
