//! The permissions and times of files and directories in a Nix store.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::system::file::{self, Permissions};

/// The permissions in a Nix store.
pub const DIRECTORY_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o555);
const EXECUTABLE_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o555);
const FILE_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o444);

/// The times in a Nix store: 1 second after the epoch. Python uses a .pyc only if its source still
/// has the time that the .pyc contains.
pub(super) const TIMES: Timestamps = {
    let time = Timespec { tv_sec: 1, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
};

/// The number of a node in the index; `limits::NODES` is below 2³².
pub(super) type NodeNumber = u32;

/// Returns the permissions of a file.
pub(super) fn file_permissions(executable: bool) -> Permissions {
    if executable { EXECUTABLE_PERMISSIONS } else { FILE_PERMISSIONS }
}

/// Creates a file that must not exist.
pub(super) fn create_file(
    at: BorrowedFd<'_>,
    name: &CStr,
    permissions: Permissions,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    file::open(at, name, flags, permissions)
}

/// Sets the final permissions and times of a directory, or of a file that was written in several
/// steps.
pub(super) fn set_final(
    at: BorrowedFd<'_>,
    name: &CStr,
    permissions: Permissions,
) -> Result<(), Errno> {
    rustix::fs::chmodat(at, name, permissions, AtFlags::empty())?;
    rustix::fs::utimensat(at, name, &TIMES, AtFlags::empty())
}
