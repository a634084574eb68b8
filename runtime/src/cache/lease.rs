//! Leases: a running program holds a lock on its bundle's record, or on the whole cache.

use core::ffi::CStr;

use format::PathKey;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, OFlags, Timespec, Timestamps, UTIME_NOW, flock};
use rustix::io::{Errno, retry_on_intr};

use super::directory::{Cache, Kind, Lease, c_string};
use super::name;
use super::record::{self, HEAD_LEN, Head, Location, Wanted};
use super::users::Kept;
use crate::error::Error;
use crate::system::call::{self, Clock};
use crate::system::file::{self, Permissions};

/// Seconds by which a record's time of last use may be wrong: writing it costs more than reading
/// it.
pub(super) const LAST_USED_PRECISION: i64 = 24 * 60 * 60;

/// The lowest number for the lease's descriptor. Lower numbers are for the program: a shell script
/// may use `exec 3<file`, for example.
const LEASE_NUMBER: i32 = 100;

/// A bundle whose store paths are whole.
#[derive(Debug)]
pub struct Ready {
    /// Where the store paths are.
    pub location: Location,
    /// The lock: no process removes the store paths while this file is open.
    lease: OwnedFd,
}

impl Ready {
    /// Leaves the lease to the program: its descriptor stays open after exec, with a high number.
    ///
    /// # Errors
    ///
    /// If no number is free.
    pub fn keep(self, cache: &Cache) -> Result<(), Error> {
        let failed = |errno| Error::file("keep a lock in", &*cache.path)(errno);
        // This is the only descriptor that stays open after exec.
        let duplicate = |least| call::duplicate_to_inherit(self.lease.as_fd(), least);
        let lease = match duplicate(LEASE_NUMBER) {
            // The limit of open files is lower: use the highest free number.
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

/// What the caller knows about a bundle before its record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// Its store paths are whole and owned by this user. They were just unpacked or compared under
    /// the cache's lock, and `StoreDir::missing` refuses store paths of other users.
    Whole,
}

/// Finds the bundle's record and takes the lease.
pub(super) fn find(
    cache: &Cache,
    wanted: Wanted<'_>,
    known: Known,
) -> Result<Option<Ready>, Error> {
    let name = record::path(cache, wanted);
    loop {
        // Who opens a pipe waits for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let lease = match file::open(&cache.directory, &name, flags, Permissions::empty()) {
            Ok(lease) => lease,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(Error::file("open", &*name)(errno)),
        };
        let read = || {
            let locked = match cache.kind {
                Kind::Own => retry_on_intr(|| flock(&lease, FlockOperation::LockShared)),
                // Any user can lock a record that any user can read.
                Kind::Shared => {
                    file::lock_for_a_moment(&lease, FlockOperation::NonBlockingLockShared)
                }
            };
            match locked {
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
            // The record was removed after it was opened and before it was locked.
            continue;
        }
        let is_whole = |head: &Head| {
            cache.trusts(&stat)
                && (known == Known::Whole
                    || head.state.is_reliable() && has_entry(cache, wanted, head.location))
        };
        let Some(Head { location, .. }) = head.filter(is_whole) else {
            return Ok(None);
        };
        if cache.kind == Kind::Own {
            mark_used(&lease, stat.st_mtime);
        }
        let lease = match cache.lease {
            Lease::Record => lease,
            Lease::Cache => {
                let whole = || {
                    // flock(2) locks belong to an open file description, so make a new one.
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

/// Whether the store path of the first entry that is wanted still exists, owned by somebody whom the cache trusts. A
/// user who deletes files of the cache by hand most likely deletes all of them, so one check is enough.
fn has_entry(cache: &Cache, wanted: Wanted<'_>, location: Location) -> bool {
    let descriptor = &wanted.bundle.descriptor;
    let PathKey { path, key } = &descriptor.paths[usize::from(wanted.entry().path)];
    let name = match location {
        Location::Store(number) => c_string(alloc::format!("stores/{number}/{path}")),
        Location::Relocated => match name::relocated_name(&cache.path, *key, path) {
            Ok(name) => name,
            Err(_) => return false,
        },
    };
    let stat = rustix::fs::statat(&cache.directory, &name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| cache.trusts(&stat))
}

/// Writes the time of this use to the record, at most once a day. [`Cache::collect`] reads it.
fn mark_used(lease: &OwnedFd, last: i64) {
    let (now, _) = call::time(Clock::Real);
    if now.saturating_sub(last) > LAST_USED_PRECISION {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // This fails on a read-only disk, where no bundle can be removed either.
        let _ =
            rustix::fs::futimens(lease, &Timestamps { last_access: now, last_modification: now });
    }
}

/// Whether a program of the bundle is running.
pub(super) fn is_in_use(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    Ok(lock_if_unused(cache, bundles, name)?.is_none())
}

/// Locks the file that a lease of the bundle locks; `None` if a program holds the lease.
fn lock_if_unused(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    match cache.lease {
        Lease::Record => try_lock(open_to_lock(bundles, name)?),
        Lease::Cache => try_lock(file::open_directory(&cache.directory, c".")?),
    }
}

/// Opens a record to take its exclusive lock: on NFS, the file must be open for writing then (flock(2)).
fn open_to_lock(bundles: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let open = |flags| file::open(bundles, name, flags | OFlags::NOFOLLOW, Permissions::empty());
    match open(OFlags::RDWR) {
        // On a read-only disk, or another user's.
        Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => open(OFlags::RDONLY),
        result => result,
    }
}

/// Takes the exclusive lock on a file; `None` if the file is locked.
fn try_lock(file: OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // The file system does not support locks, or not this one: /proc says more.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF) => {
            Ok(Some(file))
        }
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Removes the record of a bundle that is not running, unless `keep` has a reason.
///
/// A start locks the record first and then, in a temporary directory, the cache. This function
/// holds both locks until the record is removed. So a start at the same time waits for the record's
/// lock, or already holds one of the two locks, and then nothing is removed. And what a start before
/// left running is there when `keep` looks.
pub(super) fn remove(
    cache: &Cache,
    bundles: &OwnedFd,
    name: &CStr,
    keep: impl FnOnce() -> Option<Kept>,
) -> Result<Option<Kept>, Errno> {
    let record = match open_to_lock(bundles, name) {
        Ok(record) => record,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let cache_lock = match cache.lease {
        Lease::Record => None,
        Lease::Cache => match lock_if_unused(cache, bundles, name)? {
            None => return Ok(Some(Kept::Leased)),
            lock => lock,
        },
    };
    let Some(record) = try_lock(record)? else { return Ok(Some(Kept::Leased)) };
    let kept = keep();
    if kept.is_none() {
        rustix::fs::unlinkat(bundles, name, AtFlags::empty())?;
    }
    drop((record, cache_lock));
    Ok(kept)
}
