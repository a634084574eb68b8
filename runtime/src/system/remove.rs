//! Removes files and directories where they are, also those that are not writable.
//!
//! Nothing is renamed: Landlock can forbid renaming to another directory, and an overlay cannot rename a directory of
//! its lower layer.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::file::{self, Permissions, is_directory};

/// A directory above the one whose content is being removed.
struct Above {
    /// The device and the inode, to know it again.
    id: (u64, u64),
    /// The name that was entered in it.
    entered: CString,
    /// The names of other directories in it.
    rest: Vec<CString>,
}

/// Removes a file, or a directory with everything in it; it need not exist.
///
/// It goes up by `..` and uses no recursion: directories can be nested deeper than the stack or the limit of open files
/// allows.
///
/// # Errors
///
/// What the kernel says; `STALE` if a directory was moved meanwhile.
pub fn remove(directory: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let top = directory.as_fd();
    let is_directory = match is_directory(top, name) {
        Err(Errno::NOENT) => return Ok(()),
        result => result?,
    };
    if !is_directory {
        return rustix::fs::unlinkat(top, name, AtFlags::empty());
    }
    let mut above = Vec::new();
    let mut current = enter(top, name)?;
    let mut rest = remove_files(&current)?;
    loop {
        if let Some(child) = rest.pop() {
            let inner = enter(&current, &child)?;
            above.push(Above { id: id(&current)?, entered: child, rest });
            rest = remove_files(&inner)?;
            current = inner;
        } else if let Some(outer) = above.pop() {
            current = file::open(&current, c"..", file::DIRECTORY, Permissions::empty())?;
            if id(&current)? != outer.id {
                return Err(Errno::STALE);
            }
            rustix::fs::unlinkat(&current, &*outer.entered, AtFlags::REMOVEDIR)?;
            rest = outer.rest;
        } else {
            return rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes the files in a directory; returns the names of the directories in it.
fn remove_files(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = file::names(directory)?;
    let mut failed = Ok(());
    names.retain(|name| {
        let is_directory = || {
            let is_directory = is_directory(directory, name)?;
            if !is_directory {
                rustix::fs::unlinkat(directory, &**name, AtFlags::empty())?;
            }
            Ok(is_directory)
        };
        is_directory().unwrap_or_else(|errno| {
            failed = Err(errno);
            false
        })
    });
    failed.map(|()| names)
}

/// Opens a directory, and makes it writable first: those of a Nix store have the permissions 0555.
fn enter(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let directory = directory.as_fd();
    let permissions = Permissions::from_raw_mode(0o700);
    rustix::fs::chmodat(directory, name, permissions, AtFlags::empty())?;
    file::open_directory(directory, name)
}

fn id(directory: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}
