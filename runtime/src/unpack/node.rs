//! What every file, directory and link of a store has: its permissions and its times.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::system::file::{self, Permissions};

/// The permissions of a Nix store.
pub const DIRECTORY_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o555);
const EXECUTABLE_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o555);
const FILE_PERMISSIONS: Permissions = Permissions::from_raw_mode(0o444);

/// The times of a Nix store: 1 second after the epoch. Python takes a .pyc only if its source has the
/// time it was compiled at.
pub(super) const TIMES: Timestamps = {
    let time = Timespec { tv_sec: 1, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
};

/// The number of a node in the index: `limits::NODES` is below 2³².
pub(super) type NodeNumber = u32;

/// The permissions of a file.
pub(super) fn file_permissions(executable: bool) -> Permissions {
    if executable { EXECUTABLE_PERMISSIONS } else { FILE_PERMISSIONS }
}

/// Creates a file that is not there.
pub(super) fn create_file(
    at: BorrowedFd<'_>,
    name: &CStr,
    permissions: Permissions,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    file::open(at, name, flags, permissions)
}

/// Gives a directory, or a file that was written from several sides, its permissions and time.
pub(super) fn set_final(
    at: BorrowedFd<'_>,
    name: &CStr,
    permissions: Permissions,
) -> Result<(), Errno> {
    rustix::fs::chmodat(at, name, permissions, AtFlags::empty())?;
    rustix::fs::utimensat(at, name, &TIMES, AtFlags::empty())
}

/// Gives a store path's own directory the permissions and the time of a Nix store.
///
/// Until then its owner can rename it into another directory.
///
/// # Errors
///
/// What fchmodat(2) and utimensat(2) say.
pub fn seal(directory: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let directory = directory.as_fd();
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        set_final(directory, name, DIRECTORY_PERMISSIONS)?;
    }
    Ok(())
}
