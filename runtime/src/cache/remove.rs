//! Removes store paths, whose directories are not writable.

use alloc::ffi::CString;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::directory::{WORK, c_string};
use crate::error::Error;
use crate::system::file::{self, Permissions};

/// Moves a store path to `work`, so that no start takes a half-removed one for a whole one.
pub(super) fn move_aside(directory: &OwnedFd, name: &CStr, work: &OwnedFd) -> Result<(), Errno> {
    let aside = c_string(alloc::format!("{:016x}", file::random()));
    make_writable(directory, name)?;
    rustix::fs::renameat(directory, name, work, &aside)
}

/// Moves a store path from `work` to its place, and the one that was there to `work`.
pub(super) fn exchange(work: &OwnedFd, name: &CStr, directory: &OwnedFd) -> Result<(), Errno> {
    let exchange = || {
        make_writable(directory, name)?;
        rustix::fs::renameat_with(work, name, directory, name, RenameFlags::EXCHANGE)
    };
    match exchange() {
        Err(Errno::NOENT) => {}
        // The file system does not support exchanging two names.
        Err(Errno::INVAL | Errno::NOSYS) => move_aside(directory, name, work)?,
        result => return result,
    }
    file::rename_new(work, name, directory)
}

/// Removes everything in a directory, at any depth. It first moves nested directories to the top,
/// so that paths stay short and no recursion is needed.
pub(crate) fn empty_directory(directory: &OwnedFd) -> Result<(), Error> {
    let remove = || loop {
        let names = file::names(directory)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove_one(directory, &name)?;
        }
    };
    remove().map_err(Error::file("remove", WORK))
}

fn remove_one(directory: &OwnedFd, name: &CString) -> Result<(), Errno> {
    if !is_directory(directory, name)? {
        return rustix::fs::unlinkat(directory, name, AtFlags::empty());
    }
    make_writable(directory, name)?;
    let inner = file::open_directory(directory, name)?;
    for child in file::names(&inner)? {
        if is_directory(&inner, &child)? {
            move_aside(&inner, &child, directory)?;
        } else {
            rustix::fs::unlinkat(&inner, &child, AtFlags::empty())?;
        }
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

fn is_directory(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Makes a directory writable. Those of a Nix store have the permissions 0555, so they cannot be
/// moved and nothing can be removed from them.
fn make_writable(directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    if is_directory(directory, name)? {
        let permissions = Permissions::from_raw_mode(0o700);
        rustix::fs::chmodat(directory, name, permissions, AtFlags::empty())?;
    }
    Ok(())
}

pub(super) fn unlink_if_there(directory: &OwnedFd, name: &CString) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
