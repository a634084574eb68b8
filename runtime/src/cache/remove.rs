//! Removing files of a store, whose directories are not writable.

use alloc::ffi::CString;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::directory::{WORK, c_string};
use crate::error::Error;
use crate::system::file::{self, Permissions};

/// Takes a store path out of sight: a half-removed tree must not be taken for a whole one.
pub(super) fn move_aside(directory: &OwnedFd, name: &CStr, work: &OwnedFd) -> Result<(), Errno> {
    let aside = c_string(alloc::format!("{:016x}", file::random()));
    make_writable(directory, name)?;
    rustix::fs::renameat(directory, name, work, &aside)
}

/// Moves a store path to its place, and what is there to where it was.
pub(super) fn exchange(work: &OwnedFd, name: &CStr, directory: &OwnedFd) -> Result<(), Errno> {
    let exchange = || {
        make_writable(directory, name)?;
        rustix::fs::renameat_with(work, name, directory, name, RenameFlags::EXCHANGE)
    };
    match exchange() {
        Err(Errno::NOENT) => {}
        // A file system that cannot.
        Err(Errno::INVAL | Errno::NOSYS) => move_aside(directory, name, work)?,
        result => return result,
    }
    file::rename_new(work, name, directory)
}

/// Removes everything in a directory of ours, however deep: directories inside are emptied into it, so
/// that no path gets long and no stack deep.
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

/// A directory of a Nix store has the permissions 0555: nothing can be taken out of it, nor can it be moved.
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
