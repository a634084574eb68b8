//! Small directories of links and empty files, named by a checksum of their content: copies of the host's top level,
//! which become new roots in a mount namespace, and links to its graphics drivers.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use super::directory::{Cache, PRIVATE, PUBLIC, c_string, is_ours};
use super::place::{self, Absent};
use super::unfinished;
use crate::context::Context;
use crate::error::{Error, Shown};
use crate::system::file::{self, ExactPermissions};
use crate::system::remove::remove;
use crate::unpack::node::DIRECTORY_PERMISSIONS;

/// Finds or makes such a directory in the first of the user's caches that can have it; returns its path.
///
/// A variable can name it in a list: its path has no character that means something there or to the dynamic linker.
pub(crate) fn find_or_make(
    context: &Context<'_>,
    parent: &'static CStr,
    name: &str,
    make: impl Fn(&OwnedFd) -> Result<(), Errno>,
) -> Option<Vec<u8>> {
    for place in place::places(&context.settings, context.environment) {
        let Ok(cache) = place.open(Absent::Create) else { continue };
        if cache.path.iter().any(|byte| b":;$".contains(byte)) {
            continue;
        }
        let path = [&cache.path, &b"/"[..], parent.to_bytes(), b"/", name.as_bytes()].concat();
        if is_there(&path) {
            return Some(path);
        }
        match publish(&cache, parent, name, &make) {
            Ok(()) => return Some(path),
            Err(error) => {
                let place = Shown::from(&place);
                context.log.debug(format_args!("no links in {place}: {}", error.what()));
            }
        }
    }
    None
}

/// Whether a directory is there and whole: removing the write permission is the last step of making it.
fn is_there(path: &[u8]) -> bool {
    let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| {
        is_ours(&stat) && stat.st_mode & 0o777 == DIRECTORY_PERMISSIONS.as_raw_mode()
    })
}

/// Makes a directory in one of the cache's, with a name that is a checksum of its content.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn publish(
    cache: &Cache,
    parent: &'static CStr,
    name: &str,
    make: impl FnOnce(&OwnedFd) -> Result<(), Errno>,
) -> Result<(), Error> {
    let _permissions = ExactPermissions::begin();
    let lock = cache.lock()?;
    let name = c_string(name.to_string());
    let parent = cache.subdirectory(parent, PRIVATE)?;
    unfinished::remove_all(&parent, lock.others)?;
    let new = unfinished::name(&name, file::random());
    let publish = || {
        // If the directory exists, another start made it while this one waited for the lock, or an
        // earlier version was interrupted before the last step.
        let found = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| !is_ours(&stat)) {
            rename_aside(&parent, &name)?;
        }
        if file::open_directory(&parent, &name).is_err() {
            let directory = file::ensure_directory(&parent, &new, PUBLIC)?;
            make(&directory)?;
            // No sync: directories, links and empty files are metadata, which a journaling file
            // system writes to the disk in this order.
            match file::rename_new(&parent, &new, &name) {
                // Another start, without the lock, was faster.
                Err(Errno::EXIST | Errno::NOTEMPTY) => remove(&parent, &new)?,
                result => result?,
            }
        }
        rustix::fs::chmodat(&parent, &name, DIRECTORY_PERMISSIONS, AtFlags::empty())
    };
    publish().map_err(|errno| {
        // The next start tries to remove it again; show the first error, not this one.
        let _ = remove(&parent, &new);
        Error::file("create", &*name)(errno)
    })
}

/// Renames an altered directory.
///
/// It is not removed: running programs have mounts on its directories, which would be removed as
/// well.
///
/// # Errors
///
/// If it cannot be renamed.
pub(crate) fn retire(cache: &Cache, parent: &'static CStr, name: &str) -> Result<(), Error> {
    let _lock = cache.lock()?;
    let parent = cache.subdirectory(parent, PRIVATE)?;
    let name = c_string(name.to_string());
    rename_aside(&parent, &name).map_err(Error::file("rename", &*name))
}

/// Gives a directory a random name, so that no start finds it.
fn rename_aside(directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let aside = alloc::format!("{:016x}", file::random());
    match rustix::fs::renameat(directory, name, directory, aside) {
        // It is in the lower layer of an overlay: nothing outside this container has mounts on it.
        Err(Errno::XDEV) => remove(directory, name),
        result => result,
    }
}
