//! Processes that use store paths: those that hold no lease are found in /proc.
//!
//! A program can close all its descriptors, and with them its lease, or start another program that inherits none.
//! proc(5) says what such a process has open; mount namespaces are those of user_namespaces(7).

use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;

use format::STORE_DIR;
use rustix::fs::{AtFlags, CWD, FileType};
use rustix::io::Errno;

use super::directory::{BUNDLES, Cache, STORES, c_string};
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
    /// Processes of other machines, or of containers, may use its files.
    Elsewhere,
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
            Kept::Elsewhere => f.write_str("perhaps in use on another machine"),
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
    /// What it uses, or the names of store paths in its command line if it may not be looked at.
    used: Result<Used<'a>, BTreeSet<&'a str>>,
}

/// What a process can use.
struct Known<'a> {
    /// The names of store paths.
    names: BTreeSet<&'a str>,
    /// The store directories.
    stores: Vec<(Identity, u32)>,
    /// What a lease has open.
    leases: BTreeSet<Identity>,
}

/// The device and inode of a file.
type Identity = (u64, u64);

/// What a process uses.
struct Used<'a> {
    /// The names of store paths in which it has its program, a mapped file, its working directory or its root.
    names: BTreeSet<&'a str>,
    /// The store directory that is its /nix/store, or has one of these store paths.
    store: Option<u32>,
}

impl<'a> Users<'a> {
    /// Looks for processes that use store paths with these names, or have a store directory mounted.
    pub(super) fn look(cache: &Cache, names: impl IntoIterator<Item = &'a str>) -> Users<'a> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let stores = stores(cache);
        let mut users = Vec::new();
        let own = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let leases = leases(cache);
        let known = Known { names, stores, leases };
        let mut seen = BTreeSet::from([own]);
        // A process that ends before it is looked at may have started another one.
        for _ in 0..ROUNDS {
            let mut has_missed = false;
            for id in processes() {
                if !seen.insert(id) {
                    continue;
                }
                let Some(Status { name, owners, part }) = status(id) else {
                    has_missed = true;
                    continue;
                };
                if !call::is_root() && !owners.contains(&call::user()) {
                    continue;
                }
                let used = match part {
                    Part::First => Used::look(&format!("/proc/{id}"), &known),
                    Part::Others => Used::look_at_threads(id, &known),
                };
                let used = match used {
                    Ok(used) if used.names.is_empty() && used.store.is_none() => continue,
                    Ok(used) => Ok(used),
                    Err(Errno::ACCESS | Errno::PERM) => Err(known.named_by(id)),
                    // It has ended, or is a thread of the kernel.
                    Err(_) => {
                        has_missed = true;
                        continue;
                    }
                };
                users.push(User { process: Process { id, name }, used });
            }
            if !has_missed {
                break;
            }
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
            if used.as_ref().is_ok_and(|used| used.is_of(record, records)) {
                return Some(Kept::Used(process.clone()));
            }
        }
        if force || !is_of_this_boot(record) {
            return None;
        }
        let hiding = || {
            self.users.iter().filter_map(|user| Some((&user.process, user.used.as_ref().err()?)))
        };
        let names =
            |names: &BTreeSet<&str>| record.names.iter().any(|name| names.contains(&**name));
        let named = hiding().find(|(_, named)| names(named)).map(|(process, _)| process);
        match named.or_else(|| program_of(cache, record, hiding().map(|(process, _)| process))) {
            Some(process) => Some(Kept::Doubtful(process.clone())),
            None => (!self.all).then_some(Kept::Hidden),
        }
    }

    /// Whether a process uses a store path.
    pub(super) fn use_path(&self, location: Location, name: &str) -> bool {
        let mut used = self.users.iter().filter_map(|user| user.used.as_ref().ok());
        used.any(|used| used.reaches(location) && used.names.contains(name))
    }
}

impl<'a> Known<'a> {
    /// Returns the names in the command line of a process, which everybody may read: most programs are started by their
    /// path.
    fn named_by(&self, id: u32) -> BTreeSet<&'a str> {
        let line = file::read(CWD, &c_string(format!("/proc/{id}/cmdline")), 1 << 20);
        let line = line.unwrap_or_default();
        let components = line.split(|byte| matches!(byte, b'/' | 0));
        let known = |name| self.names.get(core::str::from_utf8(name).ok()?).copied();
        components.filter_map(known).collect()
    }
}

impl<'a> Used<'a> {
    /// Looks at all threads of a process, of which some have ended.
    fn look_at_threads(id: u32, known: &Known<'a>) -> Result<Used<'a>, Errno> {
        let directory = format!("/proc/{id}/task");
        let threads = file::names(file::open_directory(CWD, &c_string(&*directory))?)?;
        let mut all = Used { names: BTreeSet::new(), store: None };
        for thread in threads.iter().filter_map(|name| name.to_str().ok()) {
            match Used::look(&format!("{directory}/{thread}"), known) {
                Ok(used) => {
                    all.names.extend(used.names);
                    all.store = all.store.or(used.store);
                }
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(all)
    }

    /// Looks at a directory of a process or a thread.
    fn look(process: &str, known: &Known<'a>) -> Result<Used<'a>, Errno> {
        let mut used = Used { names: BTreeSet::new(), store: mounted(process, &known.stores) };
        match used.read(process, known) {
            // It has ended meanwhile: what it used, another one may use that it has started.
            Err(Errno::NOENT | Errno::SRCH) if !used.names.is_empty() => {}
            result => result?,
        }
        // A program of the host that runs beside the bundle's and has its lease says whose it is.
        if used.names.is_empty() && used.store.is_some() && has_lease(process, &known.leases) {
            used.store = None;
        }
        Ok(used)
    }

    /// Reads the links and the mapped files of a process or a thread.
    fn read(&mut self, process: &str, known: &Known<'a>) -> Result<(), Errno> {
        let is_mounted = self.store.is_some();
        let mut add = |path: &[u8]| {
            let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
            let mut above = [&b""[..]; 2];
            for component in path.split(|byte| *byte == b'/') {
                let text = |bytes| core::str::from_utf8(bytes).ok();
                if let Some(name) = text(component).and_then(|name| known.names.get(name)) {
                    self.names.insert(name);
                    // Out of the cache itself, without a namespace.
                    if !is_mounted && above[0] == STORES.to_bytes() {
                        self.store = text(above[1]).and_then(|number| number.parse().ok());
                    }
                }
                above = [above[1], component];
            }
        };
        for link in ["exe", "cwd", "root"] {
            add(rustix::fs::readlink(format!("{process}/{link}"), Vec::new())?.to_bytes());
        }
        let maps = match file::read(CWD, &c_string(format!("{process}/maps")), MAPS_LEN) {
            // The program must do.
            Err(Errno::FBIG) => Vec::new(),
            result => result?,
        };
        let mut last = &b""[..];
        for line in maps.split(|byte| *byte == b'\n') {
            // Only the path of a mapped file has a slash.
            let path =
                line.iter().position(|byte| *byte == b'/').map_or(&b""[..], |at| &line[at..]);
            if path != last {
                add(path);
                last = path;
            }
        }
        Ok(())
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

/// How often processes are listed at most: on a busy machine, some end all the time.
const ROUNDS: u32 = 16;

/// Bytes of a list of mapped files at most.
const MAPS_LEN: usize = 64 << 20;

/// Returns the numbers of all processes.
fn processes() -> Vec<u32> {
    let Ok(proc) = file::open_directory(CWD, c"/proc") else { return Vec::new() };
    let names = file::names(proc).unwrap_or_default();
    names.iter().filter_map(|name| name.to_str().ok()?.parse().ok()).collect()
}

/// What anybody may know about a process.
struct Status {
    name: String,
    /// The numbers of the users that it runs as.
    owners: Vec<u32>,
    part: Part,
}

/// The threads that say what a process uses.
enum Part {
    /// The first one.
    First,
    /// The first one has ended, by pthread_exit(3): the others.
    Others,
}

/// Returns the status of a process; `None` if it has ended, even if nobody has waited for it yet.
fn status(id: u32) -> Option<Status> {
    let text = file::read(CWD, &c_string(format!("/proc/{id}/status")), 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let has_ended = value("State:\t")?.starts_with(['Z', 'X']);
    let threads: u32 = value("Threads:\t")?.parse().ok()?;
    let part = match has_ended {
        true if threads <= 1 => return None,
        true => Part::Others,
        false => Part::First,
    };
    let owners = value("Uid:")?.split_whitespace().filter_map(|user| user.parse().ok()).collect();
    Some(Status { name: value("Name:\t")?.to_string(), owners, part })
}

/// Returns the store directories, by device and inode.
fn stores(cache: &Cache) -> Vec<(Identity, u32)> {
    let names = file::open_directory(&cache.directory, STORES).and_then(file::names);
    let store = |name: &CString| {
        let number = name.to_str().ok()?.parse().ok()?;
        let path = format!("stores/{number}");
        let stat = rustix::fs::statat(&cache.directory, path, AtFlags::SYMLINK_NOFOLLOW);
        stat.ok().map(|stat| ((stat.st_dev, stat.st_ino), number))
    };
    names.unwrap_or_default().iter().filter_map(store).collect()
}

/// Returns the store directory that a process has at /nix/store.
fn mounted(process: &str, stores: &[(Identity, u32)]) -> Option<u32> {
    let place = format!("{process}/root{STORE_DIR}");
    let stat = rustix::fs::stat(&place).ok()?;
    let is_it = |(id, _): &&(Identity, u32)| *id == (stat.st_dev, stat.st_ino);
    if let Some((_, number)) = stores.iter().find(is_it) {
        return Some(*number);
    }
    if !is_overlay(rustix::fs::statfs(&place)) {
        return None;
    }
    // An overlay of a store directory and the host's store (`mode/namespace/mount.rs`) is another directory than both,
    // and names the first one as it was mounted: below the cache.
    let path = c_string(format!("{process}/mountinfo"));
    let mounts = file::read(CWD, &path, MAPS_LEN).unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    let has = |number: u32| {
        let (at, layer) = (format!(" {STORE_DIR} "), format!("lowerdir=stores/{number}:"));
        mounts.lines().any(|line| line.contains(&at) && line.contains(&layer))
    };
    stores.iter().map(|(_, number)| *number).find(|number| has(*number))
}

fn is_overlay(statfs: Result<rustix::fs::StatFs, Errno>) -> bool {
    const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
    statfs.is_ok_and(|statfs| u64::try_from(statfs.f_type) == Ok(OVERLAYFS_SUPER_MAGIC))
}

/// Returns what leases lock: the records, or a temporary cache's directory.
fn leases(cache: &Cache) -> BTreeSet<Identity> {
    let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    let mut leases: BTreeSet<Identity> =
        rustix::fs::fstat(&cache.directory).into_iter().map(identity).collect();
    if let Ok(bundles) = file::open_directory(&cache.directory, BUNDLES) {
        let names = file::names(&bundles).unwrap_or_default();
        let stat =
            |name: &CString| rustix::fs::statat(&bundles, &**name, AtFlags::SYMLINK_NOFOLLOW);
        leases.extend(names.iter().filter_map(|name| stat(name).ok()).map(identity));
    }
    leases
}

/// Whether a process holds one of these leases.
fn has_lease(process: &str, leases: &BTreeSet<Identity>) -> bool {
    let Ok(directory) = file::open_directory(CWD, &c_string(format!("{process}/fd"))) else {
        return false;
    };
    let is_lease = |name: &CString| {
        let target = rustix::fs::readlinkat(&directory, &**name, Vec::new());
        // By its name first: to look at a file can take for ever where a server does not answer.
        target.is_ok_and(|target| {
            let target = target.to_string_lossy();
            target.contains("/bundles/") || target.contains("/packed-")
        }) && rustix::fs::statat(&directory, &**name, AtFlags::empty())
            .is_ok_and(|stat| leases.contains(&(stat.st_dev, stat.st_ino)))
    };
    file::names(&directory).unwrap_or_default().iter().any(is_lease)
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
    let Some(Status { name: first, .. }) = status(1) else { return false };
    // The host's own namespaces have these numbers on every kernel (PROC_PID_INIT_INO, PROC_USER_INIT_INO).
    let is_own = |name: &str, number: &CStr| {
        let namespace = rustix::fs::readlink(format!("/proc/self/ns/{name}"), Vec::new());
        namespace.map_or(true, |namespace| *namespace == *number)
    };
    if is_own("pid", c"pid:[4026531836]") {
        // From a namespace of users, nobody may look at processes outside of it.
        return is_own("user", c"user:[4026531837]");
    }
    // A container has another one, and its files to itself, if they are on an overlay or it has an init of its own; a
    // sandbox shares its user's files.
    ["systemd", "init"].contains(&&*first) || is_overlay(rustix::fs::fstatfs(&cache.directory))
}

/// Returns the first process whose name a file of the bundle has, in a directory at any depth: it may be the program of
/// a process that may not be looked at.
fn program_of<'p>(
    cache: &Cache,
    record: &Record,
    processes: impl Iterator<Item = &'p Process>,
) -> Option<&'p Process> {
    let processes: Vec<&Process> = processes.collect();
    if processes.is_empty() {
        return None;
    }
    let top = |name: &String| record.location.path(&c_string(&**name));
    let mut pending: Vec<CString> = record.names.iter().map(top).collect();
    let mut found = None;
    while let (Some(path), None) = (pending.pop(), found) {
        let Ok(directory) = file::open_directory(&cache.directory, &path) else { continue };
        // What cannot be listed has no program that could be executed.
        let _ = file::list(directory, |child, kind| {
            let bytes = child.to_bytes();
            // Some file systems do not tell types (readdir(3)).
            if matches!(kind, FileType::Directory | FileType::Unknown) {
                pending.push(c_string([path.to_bytes(), b"/", bytes].concat()));
            }
            if kind != FileType::Directory {
                // The kernel keeps 15 bytes of a name (TASK_COMM_LEN).
                let name = &bytes[..bytes.len().min(15)];
                found = found
                    .or(processes.iter().copied().find(|process| process.name.as_bytes() == name));
            }
            Ok::<(), Errno>(())
        });
    }
    found
}
