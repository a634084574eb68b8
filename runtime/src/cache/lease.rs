//! Who runs a bundle: the record of one that is running is locked.

use core::ffi::CStr;

use format::PathKey;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, OFlags, Timespec, Timestamps, UTIME_NOW, flock};
use rustix::io::{Errno, retry_on_intr};

use super::directory::{Cache, Lease, c_string, is_ours};
use super::name;
use super::record::{self, Form, HEAD_LEN, Head, Location};
use crate::error::Error;
use crate::payload::Bundle;
use crate::system::call::{self, Clock};
use crate::system::file::{self, Permissions};

/// Seconds for which the time of the last use may be wrong: writing it costs more than reading it.
const FRESH: i64 = 24 * 60 * 60;

/// Descriptors below this are the program's own choice, as with `exec 3<file` in a shell.
const LEASE_NUMBER: i32 = 100;

/// A bundle whose store paths are whole.
#[derive(Debug)]
pub struct Ready {
    /// Where they are.
    pub location: Location,
    /// The record, locked: nobody removes the store paths while it is open.
    lease: OwnedFd,
}

impl Ready {
    /// Leaves the lock to the program: its descriptor stays open over exec, out of the way.
    ///
    /// # Errors
    ///
    /// If no number is free for it.
    pub fn keep(self, cache: &Cache) -> Result<(), Error> {
        let failed = |errno| Error::file("keep a lock in", &*cache.path)(errno);
        // The one descriptor that exec is to leave open.
        let duplicate = |least| call::duplicate_to_inherit(self.lease.as_fd(), least);
        let lease = match duplicate(LEASE_NUMBER) {
            // The limit of open files is lower: the highest that is left.
            Err(Errno::INVAL | Errno::MFILE) => {
                let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
                let limit = i32::try_from(limit.unwrap_or(0)).unwrap_or(i32::MAX);
                (self.lease.as_raw_fd()..limit).rev().find_map(|least| duplicate(least).ok())
            }
            result => Some(result.map_err(failed)?),
        };
        lease.map(core::mem::forget).ok_or(Errno::MFILE).map_err(failed)
    }
}

/// What is known of a bundle before its record is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// Its store paths are whole, and ours: they were unpacked or compared just now, under the cache's lock, and
    /// `StoreDir::missing` refuses those of others.
    Whole,
}

/// Finds and locks the bundle's record.
pub(super) fn find(
    cache: &Cache,
    bundle: &Bundle,
    form: Form,
    known: Known,
) -> Result<Option<Ready>, Error> {
    let name = record::path(bundle, form);
    loop {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        let lease = match file::open(&cache.directory, &name, flags, Permissions::empty()) {
            Ok(lease) => lease,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(Error::file("open", &*name)(errno)),
        };
        let read = || {
            match retry_on_intr(|| flock(&lease, FlockOperation::LockShared)) {
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(errno),
            }
            let stat = rustix::fs::fstat(&lease)?;
            let mut head = [0; HEAD_LEN];
            let len = retry_on_intr(|| rustix::io::pread(&lease, &mut head, 0))?;
            Ok((stat, record::parse_head(&head[..len])))
        };
        let (stat, head) = read().map_err(Error::file("read", &*name))?;
        if stat.st_nlink == 0 {
            // Removed between open and lock.
            continue;
        }
        let is_whole = |head: &Head| {
            is_ours(&stat)
                && (known == Known::Whole
                    || head.state.is_sure() && has_entry(cache, bundle, head.location))
        };
        let Some(Head { location, .. }) = head.filter(is_whole) else {
            return Ok(None);
        };
        mark_used(&lease, stat.st_mtime);
        let lease = match cache.lease {
            Lease::Record => lease,
            Lease::Cache => {
                let whole = || {
                    // A description of its own, since that is what a lock belongs to.
                    let directory = file::open_directory(&cache.directory, c".")?;
                    retry_on_intr(|| flock(&directory, FlockOperation::LockShared))?;
                    Ok(directory)
                };
                whole().map_err(Error::file("lock", &*cache.path))?
            }
        };
        return Ok(Some(Ready { location, lease }));
    }
}

/// Whether the store path of the first entry is still there, and ours: who deleted files of the cache by hand
/// most likely deleted all.
fn has_entry(cache: &Cache, bundle: &Bundle, location: Location) -> bool {
    let descriptor = &bundle.descriptor;
    let PathKey { path, key } = &descriptor.paths[usize::from(descriptor.entries[0].path)];
    let name = match location {
        Location::Store(number) => c_string(alloc::format!("stores/{number}/{path}")),
        Location::Relocated => match name::relocated_name(&cache.path, *key, path) {
            Ok(name) => name,
            Err(_) => return false,
        },
    };
    let stat = rustix::fs::statat(&cache.directory, &name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| is_ours(&stat))
}

/// Writes the time of this use to the record, once a day; the sweep goes by it.
fn mark_used(lease: &OwnedFd, last: i64) {
    let (now, _) = call::time(Clock::Real);
    if now.saturating_sub(last) > FRESH {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // On a read-only disk nothing is swept either.
        let _ =
            rustix::fs::futimens(lease, &Timestamps { last_access: now, last_modification: now });
    }
}

/// Whether somebody runs the bundle.
pub(super) fn is_in_use(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    Ok(unused(cache, bundles, name)?.is_none())
}

/// Locks what those who run the bundle hold a lock on; `None` if somebody does.
fn unused(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    match cache.lease {
        Lease::Record => try_lock(file::open(
            bundles,
            name,
            OFlags::RDONLY | OFlags::NOFOLLOW,
            Permissions::empty(),
        )?),
        Lease::Cache => try_lock(file::open_directory(&cache.directory, c".")?),
    }
}

/// Takes the exclusive lock on a file; `None` if somebody has one.
fn try_lock(file: OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Takes the record of a bundle that nobody runs; `false` if somebody does.
///
/// A start locks first the record and then, in a temporary directory, the cache. So both locks are held here
/// until the record is gone: whoever comes in between waits for the one, or keeps the other from us.
pub(super) fn remove(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    let record =
        match file::open(bundles, name, OFlags::RDONLY | OFlags::NOFOLLOW, Permissions::empty()) {
            Ok(record) => record,
            Err(Errno::NOENT) => return Ok(true),
            Err(errno) => return Err(errno),
        };
    let cache_lock = match cache.lease {
        Lease::Record => None,
        Lease::Cache => match unused(cache, bundles, name)? {
            None => return Ok(false),
            lock => lock,
        },
    };
    let Some(record) = try_lock(record)? else { return Ok(false) };
    let removed = rustix::fs::unlinkat(bundles, name, AtFlags::empty());
    drop((record, cache_lock));
    removed.map(|()| true)
}
