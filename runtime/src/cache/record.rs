//! Which bundles are unpacked, and who is running one.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write as _;
use core::str::FromStr;

use format::{Manifest, PathKey};
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, OFlags, Timespec, Timestamps, UTIME_NOW, flock};
use rustix::io::{Errno, retry_on_intr};

use super::boot::Boot;
use super::directory::{BUNDLES, Cache, Lease, PRIVATE, c_string, is_ours};
use super::name;
use crate::error::{Error, Shown};
use crate::payload::Bundle;
use crate::system::call::{self, Clock};
use crate::system::file::{self, Permissions};

/// The form in which store paths are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are, to appear at `/nix/store`.
    AsIs,
    /// Rewritten to refer to the cache.
    Relocated,
}

/// Where a bundle's store paths are in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In the store with this number.
    Store(u32),
    /// In the cache's own directory, relocated.
    Relocated,
}

impl Location {
    /// The form of what is there.
    pub(super) fn form(self) -> Form {
        match self {
            Location::Store(_) => Form::AsIs,
            Location::Relocated => Form::Relocated,
        }
    }
}

/// A record's first line: the layout of the rest.
const HEADER: &str = "packed 1";

/// Its second line: the boot since which the store paths may still be on their way to the disk, or as many
/// dashes if they have been found on it.
const BOOT: &str = "boot ";
const SETTLED: &str = "------------------------------------";

/// Its third line: where the store paths are.
const RELOCATED: &str = "relocated";
const STORE: &str = "store ";

/// Its fourth line: what people call the bundle.
const ENTRY: &str = "entry ";

/// Bytes of a record that a start needs: the lines up to the store's number.
const HEAD_LEN: usize = 96;

/// Seconds for which the time of the last use may be wrong: writing it costs more than reading it.
const FRESH: i64 = 24 * 60 * 60;

/// Descriptors below this are the program's own choice, as with `exec 3<file` in a shell.
const LEASE_NUMBER: i32 = 100;

/// How far store paths can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They were synced, or found whole in a later boot than they were written in: they are on the disk.
    Settled,
    /// They were written in this boot, which may have ended since: then some of it may never have reached
    /// the disk.
    Written(Boot),
}

impl State {
    /// Whether nothing can be missing.
    pub(super) fn is_sure(self) -> bool {
        match self {
            State::Settled => true,
            State::Written(boot) => Boot::current() == Some(boot),
        }
    }
}

/// The lines of a record that a start needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    state: State,
    location: Location,
}

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

/// The record's name in the directory of records.
pub(super) fn name(bundle: &Bundle, form: Form) -> CString {
    c_string(match form {
        Form::AsIs => bundle.id.to_string(),
        Form::Relocated => alloc::format!("{}.relocated", bundle.id),
    })
}

fn path(bundle: &Bundle, form: Form) -> CString {
    c_string([BUNDLES.to_bytes(), b"/", name(bundle, form).to_bytes()].concat())
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
    let name = path(bundle, form);
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
            Ok((stat, parse_head(&head[..len])))
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

fn parse_head(head: &[u8]) -> Option<Head> {
    let mut lines = head.split(|byte| *byte == b'\n').map(core::str::from_utf8);
    let mut line = || lines.next()?.ok();
    if line()? != HEADER {
        return None;
    }
    let state = match line()?.strip_prefix(BOOT)? {
        SETTLED => State::Settled,
        boot => State::Written(Boot(boot.as_bytes().try_into().ok()?)),
    };
    let location = match line()? {
        RELOCATED => Location::Relocated,
        line => Location::Store(u32::from_str(line.strip_prefix(STORE)?).ok()?),
    };
    Some(Head { state, location })
}

/// What a record says of a bundle's store paths: that they are whole.
pub(super) struct Claim<'a> {
    /// How far they can be relied upon.
    pub(super) state: State,
    /// Where they are.
    pub(super) location: Location,
    /// Their names there, in the manifest's order.
    pub(super) names: &'a [CString],
}

/// The text of a record.
fn text(bundle: &Bundle, manifest: &Manifest, claim: &Claim<'_>) -> String {
    let mut text = String::new();
    let mut line = |line: core::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("{HEADER}"));
    match claim.state {
        State::Settled => line(format_args!("{BOOT}{SETTLED}")),
        State::Written(boot) => line(format_args!("{BOOT}{boot}")),
    }
    match claim.location {
        Location::Store(number) => line(format_args!("{STORE}{number}")),
        Location::Relocated => line(format_args!("{RELOCATED}")),
    }
    let entry = Shown::from(bundle.descriptor.entries[0].name(&bundle.descriptor.paths));
    line(format_args!("{ENTRY}{entry}"));
    for (path, name) in manifest.paths.iter().zip(claim.names) {
        line(format_args!("{} {}", path.nar_hash, name.to_string_lossy()));
    }
    text
}

/// Writes the record; it is put together in `work`.
pub(super) fn write(
    cache: &Cache,
    bundle: &Bundle,
    manifest: &Manifest,
    claim: &Claim<'_>,
    work: &OwnedFd,
) -> Result<(), Error> {
    let text = text(bundle, manifest, claim);
    let name = path(bundle, claim.location.form());
    cache.subdirectory(BUNDLES, PRIVATE)?;
    let write = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let record = file::open(work, c"record", flags, Permissions::from_raw_mode(0o600))?;
        file::write_at(record.as_fd(), text.as_bytes(), 0)?;
        rustix::fs::renameat(work, c"record", &cache.directory, &name)
    };
    write().map_err(Error::file("write", &*name))
}

/// Writes down that what was found whole in a later boot is on the disk; `false` if there is no record of
/// this place.
///
/// In place: a program that runs holds a lock on this very file.
pub(super) fn settle(cache: &Cache, bundle: &Bundle, location: Location) -> Result<bool, Error> {
    let name = path(bundle, location.form());
    let settle = || {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW;
        let record = match file::open(&cache.directory, &name, flags, Permissions::empty()) {
            Ok(record) => record,
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(errno),
        };
        let mut head = [0; HEAD_LEN];
        let len = retry_on_intr(|| rustix::io::pread(&record, &mut head, 0))?;
        if parse_head(&head[..len]).is_none_or(|head| head.location != location) {
            return Ok(false);
        }
        let offset = HEADER.len() + 1 + BOOT.len();
        file::write_at(record.as_fd(), SETTLED.as_bytes(), offset as u64)?;
        Ok(true)
    };
    settle().map_err(Error::file("write", &*name))
}

/// Whether there is a record, whatever is in it.
pub(super) fn is_there(cache: &Cache, bundle: &Bundle, form: Form) -> Result<bool, Error> {
    let name = path(bundle, form);
    match rustix::fs::statat(&cache.directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Error::file("stat", &*name)(errno)),
    }
}

/// Makes a record that is there say what it has to: that all store paths are in this store, and on the disk.
pub(super) fn confirm(
    cache: &Cache,
    bundle: &Bundle,
    manifest: &Manifest,
    claim: &Claim<'_>,
    work: &OwnedFd,
) -> Result<(), Error> {
    // Where that fails, it is written anew.
    let _ = settle(cache, bundle, claim.location);
    let expected = text(bundle, manifest, claim);
    match file::read(&cache.directory, &path(bundle, claim.location.form()), LEN_LIMIT) {
        Ok(found) if found == expected.as_bytes() => Ok(()),
        _ => write(cache, bundle, manifest, claim, work),
    }
}

/// A bundle that is unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name of its first entry.
    pub entry: String,
    /// How far its store paths can be relied upon.
    pub state: State,
    /// Where they are.
    pub location: Location,
    /// Their names there.
    pub names: Vec<String>,
    /// When it was last run, in seconds since the epoch, to the day.
    pub last_used: i64,
}

/// Bytes of a record: a store path takes at most 300.
const LEN_LIMIT: usize = 512 << 20;

/// Reads a whole record; `None` if it is none of ours.
pub(super) fn read(bundles: &OwnedFd, name: &CStr) -> Result<Option<Record>, Errno> {
    let text = file::read(bundles, name, LEN_LIMIT)?;
    let stat = rustix::fs::statat(bundles, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(parse(&text, stat.st_mtime).filter(|_| is_ours(&stat)))
}

/// Reads all records.
pub(super) fn all(cache: &Cache) -> Result<Vec<Record>, Error> {
    let bundles = cache.subdirectory(BUNDLES, PRIVATE)?;
    let mut records = Vec::new();
    for name in file::names(&bundles).map_err(Error::file("list", BUNDLES))? {
        records.extend(read(&bundles, &name).map_err(Error::file("read", &*name))?);
    }
    Ok(records)
}

/// The store paths of a location that records vouch for, and how far.
pub(super) fn known(cache: &Cache, location: Location) -> Result<BTreeMap<CString, State>, Error> {
    let mut known = BTreeMap::new();
    for record in all(cache)? {
        if record.location == location && record.state.is_sure() {
            for name in record.names.into_iter().filter_map(|name| CString::new(name).ok()) {
                // One that was settled has been on the disk, whoever else names it.
                if known.get(&name) != Some(&State::Settled) {
                    known.insert(name, record.state);
                }
            }
        }
    }
    Ok(known)
}

fn parse(text: &[u8], last_used: i64) -> Option<Record> {
    let Head { state, location } = parse_head(text)?;
    let mut lines = core::str::from_utf8(text).ok()?.lines().skip(3);
    let entry = lines.next()?.strip_prefix(ENTRY)?.to_string();
    let names = lines.filter_map(|line| Some(line.split_once(' ')?.1.to_string())).collect();
    Some(Record { entry, state, location, names, last_used })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parsed_and_others_are_not() {
        let text = b"packed 1\nboot 123e4567-e89b-12d3-a456-426614174000\nstore 12\nentry markov\nabc 1b9-x\ndef 2c8-y\n";
        let expected = Record {
            entry: "markov".into(),
            state: State::Written(Boot(*b"123e4567-e89b-12d3-a456-426614174000")),
            location: Location::Store(12),
            names: ["1b9-x".into(), "2c8-y".into()].into(),
            last_used: 5,
        };
        assert_eq!(parse(text, 5), Some(expected));
        let bad: [&[u8]; 7] = [
            b"",
            b"packed 1\n",
            b"packed 1\nboot ------------------------------------\nstore ",
            b"packed 2\nboot ------------------------------------\nstore 0\nentry x\n",
            b"packed 1\nboot ------------------------------------\nstore 0\nx\n",
            b"packed 1\nboot -\nstore 0\nentry x\n",
            b"\xff",
        ];
        for bad in bad {
            assert!(parse(bad, 0).is_none(), "{bad:?}");
        }
    }
}
