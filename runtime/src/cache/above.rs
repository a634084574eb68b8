//! The directories above a cache: who can put another directory in its place.

use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, OFlags, Stat};
use rustix::io::Errno;

use super::directory::{Cache, Kind};
use crate::error::Unusable;
use crate::error::refusal::is_nested;
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
    let trusted = Trusted::here();
    check_way(cache, &trusted)?;
    // Check the directories that the cache is really in: the path may contain links.
    let above = |directory: &OwnedFd| {
        let directory = file::open(directory, c"..", OFlags::PATH, Permissions::empty())?;
        Ok((rustix::fs::fstat(&directory)?, directory))
    };
    let (mut stat, mut directory) = above(&cache.directory).map_err(failed)?;
    loop {
        check_holder(&stat, cache.kind, &trusted)?;
        let (next, holder) = above(&directory).map_err(failed)?;
        if (next.st_dev, next.st_ino) == (stat.st_dev, stat.st_ino) {
            return Ok(());
        }
        (stat, directory) = (next, holder);
    }
}

/// Links that a path may lead through: as many as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// Checks each directory and each link that the cache's path leads through: a link leads where its owner wants, also
/// later.
fn check_way(cache: &Cache, trusted: &Trusted) -> Result<(), Unusable> {
    let failed = |errno| Unusable::Failed("stat", errno);
    // The components that are still to be looked up, the next one at the end.
    let mut rest = components(&cache.path);
    // Without links; empty for the root directory.
    let mut at: Vec<u8> = Vec::new();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let above = at.len();
        if *name == *b".." {
            at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
            continue;
        }
        let directory = if at.is_empty() { b"/" } else { &*at };
        check_holder(&rustix::fs::stat(directory).map_err(failed)?, cache.kind, trusted)?;
        at.push(b'/');
        at.extend_from_slice(&name);
        let stat = rustix::fs::lstat(&*at).map_err(failed)?;
        if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
            continue;
        }
        if !trusted.contains(&stat) {
            return Err(Unusable::ForeignLink(stat.st_uid));
        }
        links += 1;
        if links > LINKS {
            return Err(failed(Errno::LOOP));
        }
        let target = rustix::fs::readlink(&*at, Vec::new()).map_err(failed)?.into_bytes();
        at.truncate(if target.starts_with(b"/") { 0 } else { above });
        rest.extend(components(&target));
    }
    Ok(())
}

/// The components of a path, the last one first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let is_needed = |name: &&[u8]| !matches!(*name, b"" | b".");
    path.split(|byte| *byte == b'/').filter(is_needed).map(<[u8]>::to_vec).rev().collect()
}

/// Checks that only this user and root can replace what is in a directory. Its owner can, and so
/// can others with write permission, unless the directory is sticky.
///
/// A directory that the user's group may write to is accepted above a cache of one's own: this is common, and most such
/// groups have no other member. Above a shared cache it may be any group.
fn check_holder(stat: &Stat, kind: Kind, trusted: &Trusted) -> Result<(), Unusable> {
    let others = match kind {
        Kind::Own => 0o002,
        Kind::Shared => 0o022,
    };
    let is_sticky = stat.st_mode & 0o1000 != 0;
    if trusted.contains(stat) && (is_sticky || stat.st_mode & others == 0) {
        Ok(())
    } else {
        Err(Unusable::ReplaceableByOthers)
    }
}

/// This user and root.
pub(super) struct Trusted([u32; 3]);

impl Trusted {
    /// In a user namespace, root can be without a number; its files are then the overflow user's.
    pub(super) fn here() -> Trusted {
        let user = call::user();
        let map = file::read(CWD, c"/proc/self/uid_map", 4096).unwrap_or_default();
        // Without /proc, it may be one.
        let is_nested = map.is_empty() || is_nested(&map);
        Trusted([0, user, if is_nested { OVERFLOW_UID } else { user }])
    }

    /// Whether one of them owns a file.
    pub(super) fn contains(&self, stat: &Stat) -> bool {
        self.0.contains(&stat.st_uid)
    }
}
