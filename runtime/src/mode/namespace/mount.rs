//! Mounts a store directory of the cache.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::STORE_DIR;
use rustix::fs::{CWD, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use crate::error::Shown;
use crate::error::refusal::{Refusal, Step};
use crate::system::call;
use crate::system::file::{self, Permissions};
use crate::system::log::Log;

/// `/nix/store`, and the same directory below a new root.
pub(crate) const STORE_DIR_C: &CStr = c"/nix/store";
pub(crate) const STORE_BELOW: &CStr = c"nix/store";

/// What the host has at `/nix/store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostStore {
    Absent,
    Empty,
    InUse,
}

impl HostStore {
    pub(crate) fn look() -> Result<HostStore, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let is_there = || rustix::fs::stat(STORE_DIR_C).is_ok();
        match file::open(CWD, STORE_DIR_C, flags, Permissions::empty()).and_then(file::is_empty) {
            Ok(true) => Ok(HostStore::Empty),
            Ok(false) => Ok(HostStore::InUse),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(HostStore::Absent),
            // A directory that cannot be listed can still be mounted on.
            Err(Errno::ACCESS | Errno::PERM) if is_there() => Ok(HostStore::InUse),
            Err(errno) => Err(refused(Step::Mount, STORE_DIR_C)(errno)),
        }
    }
}

/// Mounts the store directory at `target`. If the host's store is in use, an overlay shows both.
pub(crate) fn cover(
    store: &CStr,
    target: &CStr,
    on_host: HostStore,
    log: Log,
) -> Result<(), Refusal> {
    if on_host == HostStore::InUse {
        let mut options: Vec<u8> = b"lowerdir=".into();
        options.extend_from_slice(store.to_bytes());
        options.push(b':');
        options.extend_from_slice(STORE_DIR.as_bytes());
        let options = CString::new(options).unwrap_or_default();
        match mount(c"overlay", target, c"overlay", MountFlags::RDONLY, &*options) {
            Ok(()) => return Ok(()),
            // Linux before 5.11 does not let users mount an overlay, and no Linux stacks more than
            // two.
            Err(errno) => log.debug(format_args!(
                "the host's store paths are hidden: overlay: {}",
                call::message(errno)
            )),
        }
    }
    bind_store(store, target)
}

/// Mounts the store directory at `target`.
///
/// For root the mount is read-only: permissions do not keep root from writing, and Python as root
/// would write there.
pub(crate) fn bind_store(store: &CStr, target: &CStr) -> Result<(), Refusal> {
    let mount = || {
        mount_bind(store, target)?;
        if call::is_root() { set_read_only(target) } else { Ok(()) }
    };
    mount().map_err(refused(Step::Mount, target))
}

/// Makes a mount read-only. A remount must repeat the flags that the kernel has locked.
pub(crate) fn set_read_only(target: &CStr) -> Result<(), Errno> {
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

/// Returns a function that makes the refusal of a system call from its error.
pub(crate) fn refused(step: Step, object: impl Into<Shown>) -> impl FnOnce(Errno) -> Refusal {
    move |errno| Refusal { step, object: object.into(), errno }
}
