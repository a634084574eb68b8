//! Puts the files of a new store path into the place of an old one, file by file.

use alloc::ffi::CString;
use core::ffi::CStr;

use format::{Index, Kind};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::node::{DIRECTORY_PERMISSIONS, set_final};
use super::tree::{Destination, Tree};
use crate::error::Error;
use crate::system::file::{self, Permissions, is_directory};
use crate::system::remove::remove;

/// Moves the files of the `new` store paths to the places of the `old` ones, and removes what else is there.
///
/// This is for overlays, which cannot rename a directory of their lower layer. A running program finds all its files
/// meanwhile, each the old or the new one. The directories of the `new` ones stay.
///
/// # Errors
///
/// If a file cannot be moved or removed.
pub(crate) fn merge(
    index: &Index<'_>,
    directory: BorrowedFd<'_>,
    new: &[Option<CString>],
    old: &[Option<CString>],
) -> Result<(), Error> {
    let destination = |names| Destination { directory, names, rewriter: None };
    let (from, to) = (destination(new), destination(old));
    let (from, to) = (Tree::new(&index.nodes, &from), Tree::new(&index.nodes, &to));
    for (number, node) in to.wanted() {
        let is_directory = matches!(node.kind, Kind::Directory);
        to.at(number, "replace", |old_at, old| {
            from.locate(number).and_then(|(new_at, new)| {
                let new_at = new_at.as_ref().map_or(directory, |new_at| new_at.as_fd());
                if is_directory {
                    // Files are moved out of one and into the other.
                    enter(new_at, &new)?;
                    enter(old_at, old)?;
                    remove_others(new_at, &new, old_at, old)
                } else {
                    remove_directory(old_at, old)?;
                    rustix::fs::renameat(new_at, &*new, old_at, old)
                }
            })
        })?;
    }
    for (number, _) in to.wanted().filter(|(_, node)| matches!(node.kind, Kind::Directory)) {
        to.at(number, "change", |at, name| set_final(at, name, DIRECTORY_PERMISSIONS))?;
    }
    Ok(())
}

/// Makes a writable directory of what has this name.
fn enter(at: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let permissions = Permissions::from_raw_mode(0o755);
    match is_directory(at, name) {
        Ok(true) => return rustix::fs::chmodat(at, name, permissions, AtFlags::empty()),
        Ok(false) => rustix::fs::unlinkat(at, name, AtFlags::empty())?,
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    rustix::fs::mkdirat(at, name, permissions)
}

/// Removes the names in the old directory that are not in the new one, from which nothing was moved yet.
fn remove_others(
    new_at: BorrowedFd<'_>,
    new: &CStr,
    old_at: BorrowedFd<'_>,
    old: &CStr,
) -> Result<(), Errno> {
    let (new, old) = (file::open_directory(new_at, new)?, file::open_directory(old_at, old)?);
    for name in file::names(&old)? {
        match rustix::fs::statat(&new, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) => remove(&old, &name)?,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes a directory in the place of a file.
fn remove_directory(at: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match is_directory(at, name) {
        Ok(true) => remove(at, name),
        Ok(false) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
