//! Empty copies of the host's top level, which become new roots in a mount namespace.

use alloc::string::ToString as _;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::directory::{Cache, PRIVATE, PUBLIC, ROOTS, c_string, is_ours};
use super::unfinished;
use crate::error::Error;
use crate::system::file::{self, ExactPermissions};
use crate::system::remove::remove;
use crate::unpack::node::DIRECTORY_PERMISSIONS;

/// Makes an empty copy of the host's top level. Its name is a checksum of its content.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn publish(
    cache: &Cache,
    name: &str,
    make: impl FnOnce(&OwnedFd) -> Result<(), Errno>,
) -> Result<(), Error> {
    let _permissions = ExactPermissions::begin();
    let lock = cache.lock()?;
    let name = c_string(name.to_string());
    let roots = cache.subdirectory(ROOTS, PRIVATE)?;
    unfinished::remove_all(&roots, lock.others)?;
    let new = unfinished::name(&name, file::random());
    let publish = || {
        // If the directory exists, another start made it while this one waited for the lock, or an
        // earlier version was interrupted before the last step.
        let found = rustix::fs::statat(&roots, &name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| !is_ours(&stat)) {
            rename_aside(&roots, &name)?;
        }
        if file::open_directory(&roots, &name).is_err() {
            let root = file::ensure_directory(&roots, &new, PUBLIC)?;
            make(&root)?;
            // No sync: directories, links and empty files are metadata, which a journaling file
            // system writes to the disk in this order.
            match file::rename_new(&roots, &new, &name) {
                // Another start, without the lock, was faster.
                Err(Errno::EXIST | Errno::NOTEMPTY) => remove(&roots, &new)?,
                result => result?,
            }
        }
        rustix::fs::chmodat(&roots, &name, DIRECTORY_PERMISSIONS, AtFlags::empty())
    };
    publish().map_err(|errno| {
        // The next start tries to remove it again; show the first error, not this one.
        let _ = remove(&roots, &new);
        Error::file("create", &*name)(errno)
    })
}

/// Renames an altered copy of the host's top level.
///
/// It is not removed: running programs have mounts on its directories, which would be removed as
/// well.
///
/// # Errors
///
/// If it cannot be renamed.
pub(crate) fn retire(cache: &Cache, name: &str) -> Result<(), Error> {
    let _lock = cache.lock()?;
    let roots = cache.subdirectory(ROOTS, PRIVATE)?;
    let name = c_string(name.to_string());
    rename_aside(&roots, &name).map_err(Error::file("rename", &*name))
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
