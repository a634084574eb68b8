//! The places where the cache can be. They are tried in order, and each is checked before it is
//! trusted.

use alloc::collections::BinaryHeap;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::above::check_above;
use super::directory::{Cache, Kind, Lease, PRIVATE};
use super::network;
use crate::error::{Shown, Unusable};
use crate::payload::Bundle;
use crate::settings::{Settings, variable};
use crate::system::call;
use crate::system::file::{self, Permissions};

/// The name of the cache in a directory for caches.
const NAME: &CStr = c"packed";

/// A place that may hold the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// This directory itself: `$PACKED_CACHE`.
    At(&'a [u8]),
    /// `packed` below this directory: `$CACHE_DIRECTORY`, `$XDG_CACHE_HOME`.
    Below(&'a [u8]),
    /// `.cache/packed` below this directory: `$HOME`.
    Home(&'a [u8]),
    /// `packed` below this directory, which a scheduler makes for a job: nobody else may write to it.
    Job(&'a [u8]),
    /// A directory with an unpredictable name in this directory, to which all users can write.
    Temporary(&'static CStr),
    /// The same in `/dev/shm`: only where the other places are on network file systems.
    Memory,
}

/// A file system in memory, to which all users can write.
const MEMORY: &CStr = c"/dev/shm";

/// The variables that name a directory of a job on its machine: of Slurm, PBS, LSF and HTCondor; and that of
/// temporary files, which others set as well.
const JOB: [&str; 5] =
    ["SLURM_TMPDIR", "PBS_JOBDIR", "LSF_TMPDIR", "_CONDOR_SCRATCH_DIR", "TMPDIR"];

/// What to do if a place has no cache yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Creates it.
    Create,
    /// Fails with `NOENT`.
    Fail,
}

/// Returns all places of this user, best first. If `$PACKED_CACHE` is set, it is the only one.
pub fn places<'a>(settings: &Settings<'a>, environment: &[&'a CStr]) -> Vec<Place<'a>> {
    let mut places = usual(settings, environment);
    places.extend(others(settings, environment));
    places
}

/// Returns the places where most starts find their bundle.
pub(super) fn usual<'a>(settings: &Settings<'a>, environment: &[&'a CStr]) -> Vec<Place<'a>> {
    if let Some(path) = settings.cache {
        return [Place::At(path)].into();
    }
    // Of systemd: where a service may write that may write nowhere else. It is a list if the unit has one.
    let service = variable(environment, "CACHE_DIRECTORY")
        .map(|list| list.split(|byte| *byte == b':').next().unwrap_or(list))
        .map(Place::Below);
    let cache_home = variable(environment, "XDG_CACHE_HOME").map(Place::Below);
    let home = variable(environment, "HOME").map(Place::Home);
    service.into_iter().chain(cache_home).chain(home).collect()
}

/// Returns the places where a start looks if the bundle is in none of the [`usual`] ones. They are on this machine.
#[cold]
pub(super) fn others<'a>(settings: &Settings<'a>, environment: &[&'a CStr]) -> Vec<Place<'a>> {
    if settings.cache.is_some() {
        return Vec::new();
    }
    let job = |name: &&str| variable(environment, name).map(Place::Job);
    let temporary = [Place::Temporary(c"/var/tmp"), Place::Temporary(c"/tmp"), Place::Memory];
    JOB.iter().filter_map(job).chain(temporary).collect()
}

impl Place<'_> {
    /// Opens the cache at this place.
    ///
    /// # Errors
    ///
    /// If it is absent and `absent` forbids creating it, or if it cannot be trusted.
    pub fn open(&self, absent: Absent) -> Result<Cache, Unusable> {
        match *self {
            Place::At(path) => {
                let path = unslashed(path);
                if absent == Absent::Create {
                    create_parents(path);
                }
                let name = c_string(path)?;
                let directory = match child(CWD, &name, absent) {
                    Err(Unusable::Failed(_, Errno::NOTDIR | Errno::LOOP)) => return linked(&name),
                    directory => directory?,
                };
                // Messages and rewritten references need an absolute path.
                let path = if path.starts_with(b"/") { path.into() } else { working_path(path)? };
                check(Cache { directory, path, lease: Lease::Record, kind: Kind::Own })
            }
            Place::Below(base) => below(base, &[NAME], absent, Base::Own),
            Place::Home(base) => below(base, &[c".cache", NAME], absent, Base::Own),
            Place::Job(base) => below(base, &[NAME], absent, Base::Private),
            Place::Temporary(base) => temporary(base, absent),
            Place::Memory => temporary(MEMORY, absent),
        }
    }

    /// Returns the name of the network file system on which the cache is, or would be.
    pub(super) fn network(&self) -> Option<&'static str> {
        // The directories that may be there, from the bottom.
        let paths = match *self {
            Place::At(path) => [path.into(), b".".into(), b".".into()],
            Place::Below(base) | Place::Job(base) => {
                [joined(base, &[NAME]), base.into(), base.into()]
            }
            Place::Home(base) => {
                let cache = joined(base, &[c".cache"]);
                [joined(&cache, &[NAME]), cache, base.into()]
            }
            Place::Temporary(base) => [base.to_bytes().into(), Vec::new(), Vec::new()],
            Place::Memory => return None,
        };
        let found = paths.iter().find_map(|path| rustix::fs::statfs(&**path).ok());
        network::name(found.ok_or(Errno::NOENT))
    }

    /// Returns the room in memory; `None` for a place on a disk.
    pub(super) fn memory(&self) -> Option<u64> {
        if *self != Place::Memory {
            return None;
        }
        let free = rustix::fs::statvfs(MEMORY);
        Some(free.map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize)))
    }
}

impl From<&Place<'_>> for Shown {
    fn from(place: &Place<'_>) -> Shown {
        match place {
            Place::At(path) => (*path).into(),
            Place::Below(base) | Place::Job(base) => joined(base, &[NAME]).as_slice().into(),
            Place::Home(base) => joined(base, &[c".cache", NAME]).as_slice().into(),
            Place::Temporary(base) => (*base).into(),
            Place::Memory => MEMORY.into(),
        }
    }
}

/// Opens the directory that a link leads to, if this user or root made the link: with `DynamicUser=`, systemd makes one
/// in the place of each of a service's directories.
#[cold]
fn linked(name: &CStr) -> Result<Cache, Unusable> {
    let failed = |errno| Unusable::Failed("open", errno);
    let stat = rustix::fs::statat(CWD, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let is_trusted = [0, call::user()].contains(&stat.st_uid);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink && !is_trusted {
        return Err(Unusable::ForeignLink(stat.st_uid));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = file::open(CWD, name, flags, Permissions::empty()).map_err(failed)?;
    // The path of the directory itself: what others could put in the place of a link was not looked at.
    let own = alloc::format!("/proc/self/fd/{}", directory.as_raw_fd());
    let path = rustix::fs::readlink(own, Vec::new()).map_err(failed)?.into_bytes();
    check(Cache { directory, path, lease: Lease::Record, kind: Kind::Own })
}

/// Who may write to a directory in which a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// Its owner chose that: a home directory's group may have no other member.
    Own,
    /// Nobody else: `$TMPDIR` can be a directory for all.
    Private,
}

/// Opens directories below `base`, which this user must own: with sudo, HOME can be another user's.
///
/// The path of `base` may contain links, since the user chose it. The directories below it may not
/// be links, since other users can have made them.
fn below(base: &[u8], names: &[&CStr], absent: Absent, kind: Base) -> Result<Cache, Unusable> {
    if !base.starts_with(b"/") {
        return Err(Unusable::Relative);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut directory = file::open(CWD, &c_string(base)?, flags, Permissions::empty())
        .map_err(|errno| Unusable::Failed("open", errno))?;
    for name in names {
        if check_owner(&directory)? & 0o022 != 0 && kind == Base::Private {
            return Err(Unusable::WritableByOthers);
        }
        directory = child(&directory, name, absent)?;
    }
    let path = joined(base, names);
    check(Cache { directory, path, lease: Lease::Record, kind: Kind::Own })
}

/// Opens this user's cache below a directory to which all users can write, or makes one.
fn temporary(base: &CStr, absent: Absent) -> Result<Cache, Unusable> {
    let failed = |errno| Unusable::Failed("open", errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = file::open(CWD, base, flags, Permissions::empty()).map_err(failed)?;
    // Short, so that references can be rewritten to the path.
    const PREFIX: &str = "packed-";
    let open = |name: &CStr| {
        let path = joined(base.to_bytes(), &[name]);
        let directory = child(&directory, name, Absent::Fail)?;
        check(Cache { directory, path, lease: Lease::Cache, kind: Kind::Own })
    };
    let find = || {
        let mut names: BinaryHeap<CString> = BinaryHeap::new();
        file::list(&directory, |name, _| {
            if name.to_bytes().starts_with(PREFIX.as_bytes()) {
                names.push(name.into());
            }
            Ok::<(), Errno>(())
        })
        .map_err(failed)?;
        // Other users can make directories with such names too; `open` refuses those.
        Ok(names.into_sorted_vec().iter().find_map(|name| open(name).ok()))
    };
    if let Some(cache) = find()? {
        return Ok(cache);
    }
    if absent == Absent::Fail {
        return Err(failed(Errno::NOENT));
    }
    // Or several first starts at once would make a cache each. Without the lock, which another user can hold, they do.
    let _ = file::lock_for_a_moment(&directory, FlockOperation::NonBlockingLockExclusive);
    if let Some(cache) = find()? {
        return Ok(cache);
    }
    let name = c_string(alloc::format!("{PREFIX}{:08x}", file::random() & 0xffff_ffff).as_bytes())?;
    rustix::fs::mkdirat(&directory, &name, PRIVATE)
        .map_err(|errno| Unusable::Failed("mkdir", errno))?;
    open(&name).inspect_err(|_| {
        // It cannot be used, for example on a noexec file system; without this, each start would
        // make another one.
        let _ = rustix::fs::unlinkat(&directory, &name, AtFlags::REMOVEDIR);
    })
}

fn child(directory: impl AsFd, name: &CStr, absent: Absent) -> Result<OwnedFd, Unusable> {
    match absent {
        Absent::Create => file::ensure_directory(directory, name, PRIVATE)
            .map_err(|errno| Unusable::Failed("mkdir", errno)),
        Absent::Fail => {
            file::open_directory(directory, name).map_err(|errno| Unusable::Failed("open", errno))
        }
    }
}

fn check_owner(directory: &OwnedFd) -> Result<u32, Unusable> {
    let stat = rustix::fs::fstat(directory).map_err(|errno| Unusable::Failed("stat", errno))?;
    if stat.st_uid == call::user() {
        Ok(stat.st_mode)
    } else {
        Err(Unusable::ForeignOwner(stat.st_uid))
    }
}

/// Checks that only this user can write to the cache, since whoever can write to it can choose what
/// runs, and that its file system allows executing programs.
fn check(mut cache: Cache) -> Result<Cache, Unusable> {
    cache.path = plain(&cache.path);
    if check_owner(&cache.directory)? & 0o022 != 0 {
        return Err(Unusable::WritableByOthers);
    }
    check_exec(&cache)?;
    Ok(cache)
}

/// Checks that the cache's file system allows executing programs.
pub(super) fn check_exec(cache: &Cache) -> Result<(), Unusable> {
    let statvfs = rustix::fs::fstatvfs(&cache.directory)
        .map_err(|errno| Unusable::Failed("statfs", errno))?;
    match statvfs.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        true => Err(Unusable::NoExec),
        false => Ok(()),
    }
}

/// Checks that references can be rewritten to the cache's path, and that other users cannot replace
/// the cache.
///
/// # Errors
///
/// If one of these does not hold.
pub fn check_base(cache: &Cache, bundle: &Bundle) -> Result<(), Unusable> {
    let key = bundle.descriptor.paths[0].key;
    format::replacement(&cache.path, key).map_err(Unusable::Unfit)?;
    check_above(cache)
}

/// Creates the directories above `path`. Errors are ignored here: opening `path` reports them.
fn create_parents(path: &[u8]) {
    for (at, _) in path.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0) {
        if let Ok(parent) = CString::new(&path[..at]) {
            let _ = rustix::fs::mkdirat(CWD, &parent, PRIVATE);
        }
    }
}

fn working_path(path: &[u8]) -> Result<Vec<u8>, Unusable> {
    let mut absolute = rustix::process::getcwd(Vec::new())
        .map_err(|errno| Unusable::Failed("getcwd", errno))?
        .into_bytes();
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    Ok(absolute)
}

/// The path without `/` and `/.` at its end: with them, the kernel follows a link, whoever made it.
fn unslashed(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_suffix(b"/").or_else(|| path.strip_suffix(b"/."))
        && !rest.is_empty()
    {
        path = rest;
    }
    path
}

/// The path without doubled slashes, `.` and a slash at the end: one spelling for what is the same in any file system.
pub(super) fn plain(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let is_needless = |component: &&[u8]| component.is_empty() || *component == b".";
    for component in path.split(|byte| *byte == b'/').filter(|component| !is_needless(component)) {
        plain.push(b'/');
        plain.extend_from_slice(component);
    }
    if plain.is_empty() { b"/".into() } else { plain }
}

fn joined(base: &[u8], names: &[&CStr]) -> Vec<u8> {
    let mut path: Vec<u8> = base.strip_suffix(b"/").unwrap_or(base).into();
    for name in names {
        path.push(b'/');
        path.extend_from_slice(name.to_bytes());
    }
    path
}

pub(super) fn c_string(path: &[u8]) -> Result<CString, Unusable> {
    CString::new(path).map_err(|_| Unusable::Failed("open", Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_order() {
        let environment = [c"HOME=/home/alice", c"XDG_CACHE_HOME=/cache"];
        let settings = Settings::default();
        let temporary = [Place::Temporary(c"/var/tmp"), Place::Temporary(c"/tmp"), Place::Memory];
        let expected = [Place::Below(b"/cache"), Place::Home(b"/home/alice")];
        assert_eq!(places(&settings, &environment), [&expected[..], &temporary].concat());
        assert_eq!(places(&settings, &[c"HOME="]), temporary);
        let job = [c"TMPDIR=/t", c"HOME=/home/alice", c"SLURM_TMPDIR=/job"];
        let expected = [Place::Home(b"/home/alice"), Place::Job(b"/job"), Place::Job(b"/t")];
        assert_eq!(places(&settings, &job), [&expected[..], &temporary].concat());
        let settings = Settings { cache: Some(b"/c"), ..settings };
        assert_eq!(places(&settings, &environment), [Place::At(b"/c")]);
    }

    #[test]
    fn a_slash_at_the_end_hides_no_link() {
        for path in ["/a/link", "/a/link/", "/a/link/.", "/a/link/./", "/a/link//.//"] {
            assert_eq!(unslashed(path.as_bytes()), b"/a/link", "{path}");
        }
        for path in ["/", ".", "a.", ""] {
            assert_eq!(unslashed(path.as_bytes()), path.as_bytes());
        }
    }

    #[test]
    fn relative_and_foreign_bases_are_refused() {
        assert_eq!(Place::Home(b"home").open(Absent::Create).unwrap_err(), Unusable::Relative);
        let absent = Place::Home(b"/proc/no-such-home").open(Absent::Create).unwrap_err();
        assert_eq!(absent, Unusable::Failed("open", Errno::NOENT));
    }
}
