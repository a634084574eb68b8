//! Shared caches, which an administrator fills with `packer cache add`: any user's start takes its bundle from there,
//! and writes nothing.

use alloc::vec::Vec;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::above::{Trusted, check_above};
use super::directory::{BUNDLES, Cache, Kind, Lease, STORES, c_string as name_of, is_ours};
use super::lease::Ready;
use super::place::{c_string, check_exec, plain};
use super::record::{self, Form, Location, Wanted};
use crate::context::Context;
use crate::error::{Shown, Unusable};
use crate::system::call;
use crate::system::file::{self, Permissions};

/// The file with the paths of this machine's shared caches, separated by colons or lines.
const LIST: &core::ffi::CStr = c"/etc/packed/shared";

/// `$PACKED_SHARED` of who wants none, not even those of the machine.
const NONE: &[u8] = b"none";

/// Bytes of that file at most.
const LIST_LEN: usize = 64 << 10;

/// Finds the bundle in the first of the shared caches that has it. `list` is `$PACKED_SHARED`.
#[cold]
pub(super) fn find(
    list: &[u8],
    context: &Context<'_>,
    wanted: Wanted<'_>,
) -> Option<(Cache, Ready)> {
    let log = context.log;
    if list == NONE {
        return None;
    }
    let is_end = |byte: &u8| matches!(byte, b':' | b'\n');
    for path in list.split(is_end).filter(|path| !path.is_empty()) {
        let shown = Shown::from(path);
        match open(path) {
            Err(reason) => log.debug(format_args!("no shared cache: {shown}: {reason}")),
            Ok(cache) => match cache.find(wanted) {
                Ok(Some(ready)) => {
                    if let Err(reason) = check_store(&cache, ready.location) {
                        log.debug(format_args!("no shared cache: {shown}: {reason}"));
                        continue;
                    }
                    log.debug(format_args!("in the shared cache {shown}"));
                    return Some((cache, ready));
                }
                Ok(None) => {
                    let why = match log.on && has_other_path(&cache, wanted) {
                        true => ", but for another path of it: mount it where it was filled",
                        false => "",
                    };
                    log.debug(format_args!("not in the shared cache {shown}{why}"));
                }
                Err(error) => log.debug(format_args!("no shared cache: {}", error.what())),
            },
        }
    }
    None
}

/// Finds the bundle in the shared caches of this machine.
#[cold]
pub(super) fn find_in_machine(context: &Context<'_>, wanted: Wanted<'_>) -> Option<(Cache, Ready)> {
    if context.settings.shared == Some(NONE) {
        return None;
    }
    match list() {
        Ok(list) => find(&list, context, wanted),
        Err(Unusable::Failed(_, Errno::NOENT)) => None,
        Err(reason) => {
            context.log.debug(format_args!("not read: {}: {reason}", Shown::from(LIST)));
            None
        }
    }
}

/// Reads the list of this machine's shared caches, which is root's.
fn list() -> Result<Vec<u8>, Unusable> {
    let failed = |errno| Unusable::Failed("open", errno);
    // It may be a link: others cannot make one in /etc.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = file::open(CWD, LIST, flags, Permissions::empty()).map_err(failed)?;
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    let is_users = stat.st_uid == call::user() && !call::is_root();
    if is_users || !Trusted::here().contains(&stat) {
        return Err(Unusable::ForeignOwner(stat.st_uid));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(Unusable::WritableByOthers);
    }
    file::read_open(&file, LIST_LEN).map_err(failed)
}

/// Opens a shared cache.
///
/// It is checked as strictly as a cache of one's own, at every start: it may have been filled by somebody whom this
/// user does not trust.
///
/// # Errors
///
/// If it cannot be opened, or if anybody but root and this user can change what is in it.
pub fn open(path: &[u8]) -> Result<Cache, Unusable> {
    if !path.starts_with(b"/") {
        return Err(Unusable::Relative);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    // The path may contain links, which `check_above` checks: the real one can be too long for relocation.
    let directory = file::open(CWD, &c_string(path)?, flags, Permissions::empty())
        .map_err(|errno| Unusable::Failed("open", errno))?;
    let stat = rustix::fs::fstat(&directory).map_err(|errno| Unusable::Failed("stat", errno))?;
    let cache = Cache { directory, path: plain(path), lease: Lease::Record, kind: Kind::Shared };
    if !cache.trusts(&stat) {
        return Err(Unusable::ForeignOwner(stat.st_uid));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(Unusable::WritableByOthers);
    }
    check_exec(&cache)?;
    check_above(&cache)?;
    [BUNDLES, STORES].into_iter().try_for_each(|name| cache.check_part(name))?;
    Ok(cache)
}

/// Opens a shared cache to fill it: its owner does.
///
/// # Errors
///
/// If a start would not use it, or this user does not own it.
pub fn open_to_fill(path: &[u8]) -> Result<Cache, Unusable> {
    let cache = open(path)?;
    let stat =
        rustix::fs::fstat(&cache.directory).map_err(|errno| Unusable::Failed("stat", errno))?;
    match is_ours(&stat) {
        true => Ok(Cache { kind: Kind::Own, ..cache }),
        false => Err(Unusable::ForeignOwner(stat.st_uid)),
    }
}

/// Checks the directory that has the bundle's store paths; relocated ones are in the cache itself.
pub(super) fn check_store(cache: &Cache, location: Location) -> Result<(), Unusable> {
    match location {
        Location::Store(number) => cache.check_part(&name_of(alloc::format!("stores/{number}"))),
        Location::Relocated => Ok(()),
    }
}

/// Whether the cache has the bundle relocated to another path: the cache was filled under that one.
fn has_other_path(cache: &Cache, wanted: Wanted<'_>) -> bool {
    wanted.form == Form::Relocated && record::is_relocated_elsewhere(cache, wanted.bundle)
}
