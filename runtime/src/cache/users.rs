//! Processes that use store paths: those that hold no lease are found in /proc.
//!
//! A program can close all its descriptors, and with them its lease, or start another program that inherits none.
//! proc(5) says what such a process has open; mount namespaces are those of user_namespaces(7).

use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use rustix::fs::{CWD, FileType};
use rustix::io::Errno;

use super::directory::{Cache, STORES, c_string};
use super::lease::LAST_USED_PRECISION;
use super::record::{Location, Record};
use crate::error::Shown;
use crate::system::call::{self, Clock};
use crate::system::file;

/// Why a bundle is not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A program holds its lease.
    Leased,
    /// This process uses its files.
    Used(Process),
    /// This process may use its files, but not be looked at: ssh-agent(1) forbids it, for example.
    Doubtful(Process),
    /// Processes may use its files that /proc does not show.
    Hidden,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    id: u32,
    /// The first 15 bytes of its program's name, if it did not choose another one.
    name: String,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Leased => f.write_str("in use"),
            Kept::Used(process) => write!(f, "in use by {process}"),
            Kept::Doubtful(process) => {
                write!(f, "perhaps in use by {process}, which hides its files")
            }
            Kept::Hidden => {
                f.write_str("perhaps in use by a process that /proc does not show here")
            }
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.id, Shown::from(&*self.name))
    }
}

impl Kept {
    /// Whether it is certain that the bundle is in use.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        matches!(self, Kept::Leased | Kept::Used(_))
    }
}

/// The processes that can use a cache's files.
pub(super) struct Users<'a> {
    users: Vec<User<'a>>,
    /// Whether these are all.
    all: bool,
}

struct User<'a> {
    process: Process,
    /// `None` if it may not be looked at.
    used: Option<Used<'a>>,
}

/// What a process uses.
struct Used<'a> {
    /// The names of store paths in which it has its program, a mapped file, its working directory or its root.
    names: BTreeSet<&'a str>,
    /// The store directory that is its /nix/store.
    store: Option<u32>,
}

impl<'a> Users<'a> {
    /// Looks for processes that use store paths with these names, or have a store directory mounted.
    pub(super) fn look(cache: &Cache, names: impl IntoIterator<Item = &'a str>) -> Users<'a> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let stores = stores(cache);
        let mut users = Vec::new();
        let own = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        for id in processes() {
            let Some((name, owners)) = status(id) else { continue };
            if id == own || !call::is_root() && !owners.contains(&call::user()) {
                continue;
            }
            let used = match Used::look(id, &names, &stores) {
                Ok(used) if used.names.is_empty() && used.store.is_none() => continue,
                Ok(used) => Some(used),
                Err(Errno::ACCESS | Errno::PERM) => None,
                // It has ended.
                Err(_) => continue,
            };
            users.push(User { process: Process { id, name }, used });
        }
        Users { users, all: shows_all(cache) }
    }

    /// Returns why the bundle of one of `records` must be kept. With `force`, only what is certain counts.
    pub(super) fn keep(
        &self,
        cache: &Cache,
        record: &Record,
        records: &[Record],
        force: bool,
    ) -> Option<Kept> {
        for User { process, used } in &self.users {
            if used.as_ref().is_some_and(|used| used.is_of(record, records)) {
                return Some(Kept::Used(process.clone()));
            }
        }
        if force || !is_of_this_boot(record) {
            return None;
        }
        let doubtful = self
            .users
            .iter()
            .find(|user| user.used.is_none() && has_program(cache, record, &user.process.name));
        match doubtful {
            Some(User { process, .. }) => Some(Kept::Doubtful(process.clone())),
            None => (!self.all).then_some(Kept::Hidden),
        }
    }

    /// Whether a process uses a store path.
    pub(super) fn use_path(&self, location: Location, name: &str) -> bool {
        let mut used = self.users.iter().filter_map(|user| user.used.as_ref());
        used.any(|used| used.reaches(location) && used.names.contains(name))
    }
}

impl<'a> Used<'a> {
    fn look(
        id: u32,
        known: &BTreeSet<&'a str>,
        stores: &[((u64, u64), u32)],
    ) -> Result<Used<'a>, Errno> {
        let mut used = Used { names: BTreeSet::new(), store: None };
        let mut add = |path: &[u8]| {
            let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
            for component in path.split(|byte| *byte == b'/') {
                let name = core::str::from_utf8(component).ok().and_then(|name| known.get(name));
                used.names.extend(name);
            }
        };
        for link in ["exe", "cwd", "root"] {
            match rustix::fs::readlink(format!("/proc/{id}/{link}"), Vec::new()) {
                Ok(path) => add(path.to_bytes()),
                // A thread of the kernel has no program.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        let mut last = &b""[..];
        let maps = file::read(CWD, &c_string(format!("/proc/{id}/maps")), MAPS_LEN)?;
        for line in maps.split(|byte| *byte == b'\n') {
            // Only the path of a mapped file has a slash.
            let path =
                line.iter().position(|byte| *byte == b'/').map_or(&b""[..], |at| &line[at..]);
            if path != last {
                add(path);
                last = path;
            }
        }
        if let Ok(stat) = rustix::fs::stat(format!("/proc/{id}/root/nix/store")) {
            let is_it = |(id, _): &&((u64, u64), u32)| *id == (stat.st_dev, stat.st_ino);
            used.store = stores.iter().find(is_it).map(|(_, number)| *number);
        }
        // A program of the host that runs beside the bundle's and has its lease says whose it is.
        if used.names.is_empty() && used.store.is_some() && has_lease(id) {
            used.store = None;
        }
        Ok(used)
    }

    /// Whether the process sees the store paths of a location.
    fn reaches(&self, location: Location) -> bool {
        match location {
            Location::Store(number) => self.store == Some(number),
            Location::Relocated => true,
        }
    }

    /// Whether the process is of this bundle. Bundles share store paths, so it is one that has all those that the
    /// process uses.
    fn is_of(&self, record: &Record, records: &[Record]) -> bool {
        let count = |record: &Record| {
            let is_used = |name: &&String| self.names.contains(name.as_str());
            if self.reaches(record.location) {
                record.names.iter().filter(is_used).count()
            } else {
                0
            }
        };
        if self.names.is_empty() {
            return matches!(record.location, Location::Store(_)) && self.reaches(record.location);
        }
        let most = records.iter().map(count).max().unwrap_or(0);
        match count(record) {
            0 => false,
            // No bundle has all of them: several are in use.
            _ if most < self.names.len() => true,
            found => found == most,
        }
    }
}

/// Bytes of a list of mapped files at most.
const MAPS_LEN: usize = 64 << 20;

/// Returns the numbers of all processes.
fn processes() -> Vec<u32> {
    let Ok(proc) = file::open_directory(CWD, c"/proc") else { return Vec::new() };
    let names = file::names(proc).unwrap_or_default();
    names.iter().filter_map(|name| name.to_str().ok()?.parse().ok()).collect()
}

/// Returns a process's name and the numbers of the users that it runs as.
fn status(id: u32) -> Option<(String, Vec<u32>)> {
    let text = file::read(CWD, &c_string(format!("/proc/{id}/status")), 1 << 16).ok()?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let users = value("Uid:")?.split_whitespace().filter_map(|user| user.parse().ok()).collect();
    Some((value("Name:\t")?.to_string(), users))
}

/// Returns the store directories, by device and inode.
fn stores(cache: &Cache) -> Vec<((u64, u64), u32)> {
    let names = file::open_directory(&cache.directory, STORES).and_then(file::names);
    let store = |name: &CString| {
        let number = name.to_str().ok()?.parse().ok()?;
        let path = format!("stores/{number}");
        let stat =
            rustix::fs::statat(&cache.directory, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        stat.ok().map(|stat| ((stat.st_dev, stat.st_ino), number))
    };
    names.unwrap_or_default().iter().filter_map(store).collect()
}

/// Whether a process holds a lease: it has a record open, or a temporary cache's directory.
fn has_lease(id: u32) -> bool {
    let descriptors = format!("/proc/{id}/fd");
    let Ok(directory) = file::open_directory(CWD, &c_string(&*descriptors)) else { return false };
    let is_record = |name: &CString| {
        let target = rustix::fs::readlinkat(&directory, &**name, Vec::new());
        target.is_ok_and(|target| {
            let target = target.to_string_lossy();
            target.contains("/bundles/") || target.contains("/packed-")
        })
    };
    file::names(&directory).unwrap_or_default().iter().any(is_record)
}

/// Whether the bundle may have been started in this boot.
fn is_of_this_boot(record: &Record) -> bool {
    let ((now, _), (since, _)) = (call::time(Clock::Real), call::time(Clock::Boot));
    record.last_used.saturating_add(LAST_USED_PRECISION) >= now.saturating_sub(since)
}

/// Whether /proc shows every process that can use the cache.
fn shows_all(cache: &Cache) -> bool {
    // proc(5), hidepid: an ordinary user does not see the first process then, nor those of its own that allow no
    // look at them.
    let Some((first, _)) = status(1) else { return false };
    // The host's own namespace of processes has this number on every kernel (PROC_PID_INIT_INO). A container has
    // another one, and its files to itself, if they are on an overlay or it has an init of its own; a sandbox shares
    // its user's files.
    let namespace = rustix::fs::readlink("/proc/self/ns/pid", Vec::new());
    const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
    namespace.is_ok_and(|namespace| &*namespace == c"pid:[4026531836]")
        || ["systemd", "init"].contains(&&*first)
        || rustix::fs::fstatfs(&cache.directory)
            .is_ok_and(|statfs| u64::try_from(statfs.f_type) == Ok(OVERLAYFS_SUPER_MAGIC))
}

/// Whether the bundle has a file with this name in a directory, at any depth: the program of a process that may not be
/// looked at.
fn has_program(cache: &Cache, record: &Record, name: &str) -> bool {
    let top = |name: &String| record.location.path(&c_string(&**name));
    let mut pending: Vec<CString> = record.names.iter().map(top).collect();
    let mut found = false;
    while let (Some(path), false) = (pending.pop(), found) {
        let Ok(directory) = file::open_directory(&cache.directory, &path) else { continue };
        // What cannot be listed has no program that could be executed.
        let _ = file::list(directory, |child, kind| {
            // The kernel keeps 15 bytes of a name (TASK_COMM_LEN).
            let bytes = child.to_bytes();
            found |=
                &bytes[..bytes.len().min(15)] == name.as_bytes() && kind != FileType::Directory;
            if kind == FileType::Directory {
                pending.push(c_string([path.to_bytes(), b"/", bytes].concat()));
            }
            Ok::<(), Errno>(())
        });
    }
    found
}
