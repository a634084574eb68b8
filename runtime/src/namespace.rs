//! A store → visible at `/nix/store`, in a mount namespace of the program's own.

mod identity;
mod root;

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::STORE_DIR;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use crate::cache::Cache;
use crate::error::{Error, Impossible, Shown};
use crate::file::ExactModes;
use crate::log::Log;
use crate::payload::{Bundle, Payload};
use crate::refusal::{Refusal, Step};
use crate::sys::Child;
use crate::{file, refusal, sys, unpack};
use root::Root;

/// `/nix/store`, and the same below a new root.
const STORE_DIR_C: &CStr = c"/nix/store";
const STORE_BELOW: &CStr = c"nix/store";

/// Makes store `number` of the cache visible at `/nix/store`, for this process and its children.
///
/// The caller's identity, working directory and everything else that it sees stay as they are.
///
/// # Errors
///
/// If the kernel refuses. A namespace may have been entered by then, but nothing that others see has
/// changed.
pub fn enter(cache: &Cache, number: u32, log: Log) -> Result<(), Impossible> {
    let here = WorkingDirectory::open();
    let store = CString::new(alloc::format!("stores/{number}")).unwrap_or_default();
    let on_host = HostStore::look()?;
    // Prepared while nothing has changed yet.
    let root = match on_host {
        HostStore::Absent => {
            let root = Root::list()?;
            let path = root.prepare(cache)?;
            Some((root, path))
        }
        HostStore::Empty | HostStore::InUse => None,
    };
    let result = attempt(log, |log| {
        // Names are relative to the cache, so that a long or odd path of it does no harm. The kernel takes
        // the working directory along into a new mount namespace, but not what descriptors refer to.
        rustix::process::fchdir(&cache.directory).map_err(refused(Step::Mount, "the cache"))?;
        identity::enter(log)?;
        match &root {
            Some((root, path)) => root.enter(path, &store, log),
            None => cover(&store, STORE_DIR_C, on_host, log),
        }
    });
    let restored = here.restore();
    result.and(Ok(restored?))
}

/// Unpacks the bundle into memory and makes it visible at `/nix/store`: nothing is written to a disk.
///
/// # Errors
///
/// As [`enter`], and if the bundle is damaged or memory does not suffice.
#[cold]
pub fn enter_ram(bundle: &Bundle, log: Log) -> Result<(), Impossible> {
    let _modes = ExactModes::begin();
    let payload = Payload::open_own(&bundle.descriptor)?;
    let here = WorkingDirectory::open();
    let on_host = HostStore::look()?;
    let root = Root::list()?;
    attempt(log, |log| {
        identity::enter(log)?;
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        mount(c"packed", c"/", c"tmpfs", flags, c"mode=0755")
            .map_err(refused(Step::Mount, "a file system in memory"))?;
        // This process's root is still the one below; the way up from there leads into what covers it.
        let into_it = || {
            rustix::process::chdir(c"/")?;
            rustix::process::chdir(c"..")?;
            root.make(CWD)
        };
        into_it().map_err(refused(Step::Mount, "/"))
    })?;
    let store = file::open_directory(CWD, STORE_BELOW).map_err(Error::file("open", STORE_BELOW))?;
    unpack_to(&payload, &store, log)?;
    root.bind(c".", log)?;
    if on_host == HostStore::InUse {
        cover(STORE_BELOW, STORE_BELOW, on_host, log)?;
    }
    rustix::fs::chmodat(CWD, c".", unpack::DIRECTORY_MODE, AtFlags::empty())
        .and_then(|()| rustix::process::chroot(c"."))
        .map_err(refused(Step::Mount, "/"))?;
    Ok(here.restore()?)
}

/// Checks the cache's copy of the host's top level, and has the next start make it anew if it was altered.
///
/// Returns whether it was.
///
/// # Errors
///
/// If it cannot be put aside.
pub fn verify_root(cache: &Cache) -> Result<bool, Error> {
    // Where the host cannot be listed, no start uses one.
    Root::list().map_or(Ok(false), |root| root.verify(cache))
}

/// Takes steps that cannot be taken back; where it is doubtful whether they work, a child tries them first.
fn attempt(log: Log, steps: impl Fn(Log) -> Result<(), Refusal>) -> Result<(), Impossible> {
    if refusal::is_doubtful() {
        let work = || steps(Log { on: false }).err().map_or(Vec::new(), |refusal| refusal.encode());
        match sys::in_child(work) {
            Ok(Child::Killed(signal)) => return Err(Impossible::Killed(signal)),
            Ok(Child::Wrote(bytes)) => match Refusal::decode(&bytes) {
                Some(refusal) => return Err(refusal.into()),
                None => log.debug(format_args!("a child entered the namespace")),
            },
            Err(errno) => log.debug(format_args!("no trial: {}", sys::message(errno))),
        }
    }
    Ok(steps(log)?)
}

/// Unpacks all store paths of a bundle.
fn unpack_to(payload: &Payload<'_>, store: &OwnedFd, log: Log) -> Result<(), Error> {
    let contents = payload.contents()?;
    let needed = contents.room()?;
    log.debug(format_args!("unpacking {} to memory", crate::error::Megabytes(needed.bytes)));
    unpack::whole(payload, &contents, store)
        .map_err(|error| error.out_of_space(|| Some(needed), "memory"))
}

/// What the host has at `/nix/store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostStore {
    Absent,
    Empty,
    InUse,
}

impl HostStore {
    fn look() -> Result<HostStore, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let is_there = || rustix::fs::stat(STORE_DIR_C).is_ok();
        match file::open(CWD, STORE_DIR_C, flags, Mode::empty()).and_then(file::is_empty) {
            Ok(true) => Ok(HostStore::Empty),
            Ok(false) => Ok(HostStore::InUse),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(HostStore::Absent),
            // It can be mounted on, if not listed.
            Err(Errno::ACCESS | Errno::PERM) if is_there() => Ok(HostStore::InUse),
            Err(errno) => Err(refused(Step::Mount, STORE_DIR_C)(errno)),
        }
    }
}

/// Mounts the store to `target`: together with the host's store, if there is something in that.
fn cover(store: &CStr, target: &CStr, on_host: HostStore, log: Log) -> Result<(), Refusal> {
    if on_host == HostStore::InUse {
        let mut options: Vec<u8> = b"lowerdir=".into();
        options.extend_from_slice(store.to_bytes());
        options.push(b':');
        options.extend_from_slice(STORE_DIR.as_bytes());
        let options = CString::new(options).unwrap_or_default();
        match mount(c"overlay", target, c"overlay", MountFlags::RDONLY, &*options) {
            Ok(()) => return Ok(()),
            // Linux before 5.11 has no overlay for users, and none stacks more than two.
            Err(errno) => log.debug(format_args!(
                "the host's store paths are hidden: overlay: {}",
                sys::message(errno)
            )),
        }
    }
    bind_store(store, target)
}

/// Mounts the store to `target`.
///
/// An ordinary user cannot write to its directories, but root could, and python as root would.
fn bind_store(store: &CStr, target: &CStr) -> Result<(), Refusal> {
    let mount = || {
        mount_bind(store, target)?;
        if sys::is_root() { set_read_only(target) } else { Ok(()) }
    };
    mount().map_err(refused(Step::Mount, target))
}

/// Makes a mount read-only. Flags that the kernel locked have to be given again.
fn set_read_only(target: &CStr) -> Result<(), Errno> {
    const LOCKED: [(StatVfsMountFlags, MountFlags); 3] = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
    ];
    let found = rustix::fs::statvfs(target)?.f_flag;
    let kept = LOCKED.into_iter().filter(|(flag, _)| found.contains(*flag)).map(|(_, flag)| flag);
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY, MountFlags::union);
    mount_remount(target, flags, c"")
}

/// The caller's working directory, to come back to when mounts have changed what its path means.
struct WorkingDirectory {
    path: Option<CString>,
    directory: Option<OwnedFd>,
}

impl WorkingDirectory {
    fn open() -> WorkingDirectory {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        WorkingDirectory {
            // Neither is there if somebody removed it, or may not be looked up any more.
            path: rustix::process::getcwd(Vec::new()).ok(),
            directory: file::open(CWD, c".", flags, Mode::empty()).ok(),
        }
    }

    fn restore(&self) -> Result<(), Refusal> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let is_same = |path: &CString| {
            rustix::process::chdir(&**path)?;
            // These are other directories now, on purpose.
            if matches!(path.to_bytes(), b"/" | b"/nix") || path.to_bytes().starts_with(b"/nix/") {
                return Ok(true);
            }
            let (here, there) =
                (rustix::fs::statat(CWD, c".", AtFlags::empty())?, rustix::fs::fstat(directory)?);
            Ok::<bool, Errno>((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
        };
        match self.path.as_ref().map(is_same) {
            Some(Ok(true)) => Ok(()),
            // Its path does not lead there any more; the directory itself is still right.
            _ => rustix::process::fchdir(directory)
                .map_err(refused(Step::Mount, "the working directory")),
        }
    }
}

fn refused(step: Step, object: impl Into<Shown>) -> impl FnOnce(Errno) -> Refusal {
    move |errno| Refusal { step, object: object.into(), errno }
}
