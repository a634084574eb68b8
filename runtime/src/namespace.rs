//! A store → visible at `/nix/store`, in a mount namespace of the program's own.

mod identity;
mod root;

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::STORE_DIR;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind};

use crate::cache::Cache;
use crate::error::{Impossible, Shown};
use crate::file;
use crate::log::Log;

/// Makes store `number` of the cache visible at `/nix/store`, for this process and its children.
///
/// The caller's identity, working directory and everything else that it sees stay as they are.
///
/// # Errors
///
/// If the kernel refuses. A namespace may have been entered by then, but nothing that others see changed.
pub fn enter(cache: &Cache, number: u32, log: Log) -> Result<(), Impossible> {
    let here = WorkingDirectory::open();
    let store = CString::new(alloc::format!("stores/{number}")).unwrap_or_default();
    let on_host = HostStore::look();
    // Prepared while nothing has changed yet.
    let root = match on_host {
        HostStore::Absent => Some(root::Root::prepare(cache)?),
        HostStore::Empty | HostStore::InUse => None,
    };
    // Names are relative to the cache, so that a long or odd path of it does no harm. The kernel takes the
    // working directory along into a new mount namespace, but not what descriptors refer to.
    rustix::process::fchdir(&cache.directory).map_err(|errno| refused("the cache", errno))?;
    let result = identity::enter(log).and_then(|()| match root {
        Some(root) => root.enter(&store, log),
        None => cover(&store, on_host, log),
    });
    let restored = here.restore().map_err(|errno| refused("the working directory", errno));
    result.and(restored)
}

/// What the host has at `/nix/store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostStore {
    Absent,
    Empty,
    InUse,
}

impl HostStore {
    fn look() -> HostStore {
        let Ok(path) = CString::new(STORE_DIR) else { return HostStore::Absent };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match file::open(CWD, &path, flags, Mode::empty()) {
            // One name is enough to know; stopping the listing is an error to `list`.
            Ok(directory) => match file::list(&directory, |_, _| Err(Errno::EXIST)) {
                Ok(()) => HostStore::Empty,
                Err(_) => HostStore::InUse,
            },
            Err(Errno::NOENT | Errno::NOTDIR) => HostStore::Absent,
            // It can be mounted on, if not listed.
            Err(_) => HostStore::InUse,
        }
    }
}

/// Mounts the store over the host's: together with it, if there is something in it.
fn cover(store: &CStr, on_host: HostStore, log: Log) -> Result<(), Impossible> {
    if on_host == HostStore::InUse {
        let mut options: Vec<u8> = b"lowerdir=".into();
        options.extend_from_slice(store.to_bytes());
        options.push(b':');
        options.extend_from_slice(STORE_DIR.as_bytes());
        let options = CString::new(options).unwrap_or_default();
        match mount(c"overlay", STORE_DIR, c"overlay", MountFlags::RDONLY, &*options) {
            Ok(()) => return Ok(()),
            // Linux before 5.11 has no overlay for users, and none stacks more than two.
            Err(errno) => log.debug(format_args!(
                "the host's store paths are hidden: overlay: {}",
                crate::sys::message(errno)
            )),
        }
    }
    mount_bind(store, STORE_DIR).map_err(|errno| refused(STORE_DIR, errno))
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

    fn restore(self) -> Result<(), Errno> {
        let Some(directory) = self.directory else { return Ok(()) };
        let is_same = |path: &CString| {
            rustix::process::chdir(&**path)?;
            let (here, there) =
                (rustix::fs::statat(CWD, c".", AtFlags::empty())?, rustix::fs::fstat(&directory)?);
            Ok::<bool, Errno>((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
        };
        match self.path.as_ref().map(is_same) {
            Some(Ok(true)) => Ok(()),
            // Its path does not lead there any more; the directory itself is still right.
            _ => rustix::process::fchdir(&directory),
        }
    }
}

fn refused(object: impl Into<Shown>, errno: Errno) -> Impossible {
    Impossible::Mount { object: object.into(), errno }
}
