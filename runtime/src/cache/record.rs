//! Records: files in the cache that say that a bundle's store paths are whole.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write as _;
use core::str::FromStr;

use format::{Entry, Manifest};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::boot::Boot;
use super::directory::{BUNDLES, Cache, Kind, Others, PRIVATE, c_string, is_for_all};
use super::unfinished;
use crate::context::Context;
use crate::error::{Error, Shown};
use crate::payload::Bundle;
use crate::system::file::{self, Permissions};
use crate::system::remove::remove;

/// The form in which store paths are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Unchanged, to be mounted at `/nix/store`.
    AsIs,
    /// With references rewritten to the cache.
    Relocated,
}

/// Store paths of a bundle that are wanted in a cache.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The bundle.
    pub bundle: &'a Bundle,
    /// The form in which they are unpacked.
    pub form: Form,
    /// The number of the subset that they are; all are wanted if there is none.
    pub subset: Option<u16>,
}

impl<'a> Wanted<'a> {
    /// The store paths that a start needs.
    pub fn by(context: &Context<'a>, form: Form) -> Wanted<'a> {
        Wanted { bundle: context.bundle, form, subset: context.subset }
    }

    /// All store paths of a bundle.
    pub fn all(bundle: &'a Bundle, form: Form) -> Wanted<'a> {
        Wanted { bundle, form, subset: None }
    }

    /// All store paths, and then each subset.
    pub(super) fn each(self) -> impl Iterator<Item = Wanted<'a>> {
        let subsets = self.bundle.descriptor.entries.iter().filter_map(|entry| entry.subset);
        let subsets = 0..subsets.max().map_or(0, |last| last + 1);
        let one = move |subset| Wanted { subset, ..self };
        core::iter::once(None).chain(subsets.map(Some)).map(one)
    }

    /// The first entry that needs them.
    pub(super) fn entry(&self) -> &'a Entry {
        let entries = &self.bundle.descriptor.entries;
        entries.iter().find(|entry| entry.subset == self.subset).unwrap_or(&entries[0])
    }
}

/// Where a bundle's store paths are in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In the store directory with this number.
    Store(u32),
    /// Relocated, in the cache's own directory.
    Relocated,
}

impl Location {
    /// Returns the path in the cache of a store path with this name.
    pub(super) fn path(self, name: &CStr) -> CString {
        match self {
            Location::Store(number) => {
                c_string([alloc::format!("stores/{number}/").as_bytes(), name.to_bytes()].concat())
            }
            Location::Relocated => name.into(),
        }
    }

    /// Returns the path in the cache of the link with its NAR hash.
    pub(super) fn hash(self, name: &CStr) -> Option<CString> {
        match self {
            Location::Store(number) => Some(c_string(
                [alloc::format!("stores/{number}.contents/").as_bytes(), name.to_bytes()].concat(),
            )),
            Location::Relocated => None,
        }
    }
}

/// A record's first line: the version of its layout.
const HEADER: &str = "packed 1";

/// The second line: the boot in which the store paths were written, since they may not be on the
/// disk yet. If they are on the disk, it has dashes of the same length.
const BOOT: &str = "boot ";
const SETTLED: &str = "------------------------------------";

/// The third line: where the store paths are.
const RELOCATED: &str = "relocated";
const STORE: &str = "store ";

/// The fourth line: the name of the bundle for people.
const ENTRY: &str = "entry ";

/// Bytes of a record that a start reads: the first three lines fit.
pub(super) const HEAD_LEN: usize = 96;

/// Whether store paths are already on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are on the disk: they were synced, or found whole in a later boot.
    Settled,
    /// They were written without syncing, in the boot with this ID. If that boot has ended, some
    /// may have been lost.
    Written(Boot),
}

impl State {
    /// Whether no store path can have been lost.
    pub(super) fn is_reliable(self) -> bool {
        match self {
            State::Settled => true,
            State::Written(boot) => Boot::current() == Some(boot),
        }
    }
}

/// The lines of a record that a start reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) state: State,
    pub(super) location: Location,
}

/// Returns the record's name in the directory of records.
///
/// Relocated store paths are for one path of the cache, and a cache can have several: a link leads to it, or it is
/// mounted in two places. Each has a record of its own, and so has each subset.
pub(super) fn name(cache: &Cache, wanted: Wanted<'_>) -> CString {
    let mut name = whole_name(cache, wanted);
    if let Some(subset) = wanted.subset {
        // Writing to a string cannot fail.
        let _ = write!(name, ".subset-{subset}");
    }
    c_string(name)
}

/// Returns the name of the record of all store paths.
fn whole_name(cache: &Cache, Wanted { bundle, form, .. }: Wanted<'_>) -> String {
    match form {
        Form::AsIs => bundle.id.to_string(),
        Form::Relocated => {
            let path = u64::from_le_bytes(format::checksum(&[&cache.path]));
            alloc::format!("{}.relocated-{path:016x}", bundle.id)
        }
    }
}

/// Whether a record with this name is one of the bundle's.
pub(super) fn is_of(name: &CStr, bundle: &Bundle) -> bool {
    let rest = name.to_bytes().strip_prefix(bundle.id.to_string().as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// Whether the cache has a record of the bundle, relocated to another path of the cache.
pub(super) fn is_relocated_elsewhere(cache: &Cache, bundle: &Bundle) -> bool {
    let own = whole_name(cache, Wanted::all(bundle, Form::Relocated));
    let prefix = alloc::format!("{}.relocated-", bundle.id);
    let names = file::open_directory(&cache.directory, BUNDLES).and_then(file::names);
    let starts = |name: &CString, start: &str| name.to_bytes().starts_with(start.as_bytes());
    let is_other = |name: &CString| starts(name, &prefix) && !starts(name, &own);
    names.unwrap_or_default().iter().any(is_other)
}

pub(super) fn path(cache: &Cache, wanted: Wanted<'_>) -> CString {
    c_string([BUNDLES.to_bytes(), b"/", name(cache, wanted).to_bytes()].concat())
}

pub(super) fn parse_head(head: &[u8]) -> Option<Head> {
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

/// What a record says about a bundle's store paths.
pub(super) struct Claim<'a> {
    /// Whether they are on the disk.
    pub(super) state: State,
    /// Where they are.
    pub(super) location: Location,
    /// The names in that location of those that are wanted, in the manifest's order.
    pub(super) names: &'a [Option<CString>],
}

/// Returns the text of a record.
fn text(wanted: Wanted<'_>, manifest: &Manifest, claim: &Claim<'_>) -> String {
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
    let entry = Shown::from(wanted.entry().name(&wanted.bundle.descriptor.paths));
    line(format_args!("{ENTRY}{entry}"));
    for (number, (path, name)) in manifest.paths.iter().zip(claim.names).enumerate() {
        if let Some(name) = name
            && manifest.is_in(wanted.subset, number)
        {
            line(format_args!("{} {}", path.nar_hash, name.to_string_lossy()));
        }
    }
    text
}

/// Writes the record, and then gives it its name.
pub(super) fn write(
    cache: &Cache,
    wanted: Wanted<'_>,
    manifest: &Manifest,
    claim: &Claim<'_>,
    others: Others,
) -> Result<(), Error> {
    let text = text(wanted, manifest, claim);
    let name = name(cache, wanted);
    let bundles = cache.subdirectory(BUNDLES, PRIVATE)?;
    unfinished::remove_all(&bundles, others)?;
    let new = unfinished::name(&name, file::random());
    let write = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let record = file::open(&bundles, &new, flags, permissions(&bundles)?)?;
        file::write_at(record.as_fd(), text.as_bytes(), 0)?;
        rustix::fs::renameat(&bundles, &*new, &bundles, &*name)
    };
    write().map_err(|errno| {
        // The next start tries to remove it again; show the first error, not this one.
        let _ = remove(&bundles, &new);
        Error::file("write", &*name)(errno)
    })
}

/// Returns the permissions of a record in this directory: who may list the directory may read it.
fn permissions(bundles: &OwnedFd) -> Result<Permissions, Errno> {
    let is_for_all = is_for_all(&rustix::fs::fstat(bundles)?);
    Ok(Permissions::from_raw_mode(if is_for_all { 0o644 } else { 0o600 }))
}

/// Changes the record to say that the store paths are on the disk, after a later boot found them
/// whole. Returns `false` if there is no record for this location.
///
/// It writes to the same file, because a running program may hold a lock on it.
pub(super) fn settle(cache: &Cache, wanted: Wanted<'_>, location: Location) -> Result<bool, Error> {
    let name = path(cache, wanted);
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

/// Whether the record exists, with any content.
pub(super) fn is_there(cache: &Cache, wanted: Wanted<'_>) -> Result<bool, Error> {
    let name = path(cache, wanted);
    match rustix::fs::statat(&cache.directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Error::file("stat", &*name)(errno)),
    }
}

/// Makes an existing record say that all store paths are in this location and on the disk.
pub(super) fn confirm(
    cache: &Cache,
    wanted: Wanted<'_>,
    manifest: &Manifest,
    claim: &Claim<'_>,
    others: Others,
) -> Result<(), Error> {
    // If this fails, the record is replaced below.
    let _ = settle(cache, wanted, claim.location);
    let expected = text(wanted, manifest, claim);
    let name = path(cache, wanted);
    match file::read(&cache.directory, &name, LEN_LIMIT) {
        Ok(found) if found == expected.as_bytes() => {
            // It can be older than the permission of others to read it.
            let bundles = cache.subdirectory(BUNDLES, PRIVATE)?;
            permissions(&bundles)
                .and_then(|mode| {
                    rustix::fs::chmodat(&cache.directory, &name, mode, AtFlags::empty())
                })
                .map_err(Error::file("change", &*name))
        }
        _ => write(cache, wanted, manifest, claim, others),
    }
}

/// The content of a record: a bundle that is unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name of the bundle's first entry.
    pub entry: String,
    /// Whether its store paths are on the disk.
    pub state: State,
    /// Where they are.
    pub location: Location,
    /// Their names in that location.
    pub names: Vec<String>,
    /// The time of the last start, in seconds since the epoch; up to a day too early.
    pub last_used: i64,
}

/// Bytes of a record at most: a store path takes at most 300.
const LEN_LIMIT: usize = 512 << 20;

/// Reads a whole record; `None` if it is not a record that the cache trusts, or if it is one that only its owner may
/// read.
pub(super) fn read(cache: &Cache, bundles: &OwnedFd, name: &CStr) -> Result<Option<Record>, Errno> {
    let text = match file::read(bundles, name, LEN_LIMIT) {
        // A directory or a link.
        Err(Errno::ISDIR | Errno::LOOP) => return Ok(None),
        Err(Errno::ACCESS) if cache.kind == Kind::Shared => return Ok(None),
        text => text?,
    };
    let stat = rustix::fs::statat(bundles, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(parse(&text, stat.st_mtime).filter(|_| cache.trusts(&stat)))
}

/// Returns the names of the records.
pub(super) fn names(bundles: &OwnedFd) -> Result<Vec<CString>, Error> {
    let mut names = file::names(bundles).map_err(Error::file("list", BUNDLES))?;
    names.retain(|name| !unfinished::is_unfinished(name));
    Ok(names)
}

/// Reads all records.
pub(super) fn all(cache: &Cache) -> Result<Vec<Record>, Error> {
    let bundles = cache.subdirectory(BUNDLES, PRIVATE)?;
    let mut records = Vec::new();
    for name in self::names(&bundles)? {
        records.extend(read(cache, &bundles, &name).map_err(Error::file("read", &*name))?);
    }
    Ok(records)
}

/// Returns the store paths of a location that records say are whole, with their states.
pub(super) fn known(cache: &Cache, location: Location) -> Result<BTreeMap<CString, State>, Error> {
    let mut known = BTreeMap::new();
    for record in all(cache)? {
        if record.location == location && record.state.is_reliable() {
            for name in record.names.into_iter().filter_map(|name| CString::new(name).ok()) {
                // If one record says that a store path is on the disk, it is, whatever other
                // records say.
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
