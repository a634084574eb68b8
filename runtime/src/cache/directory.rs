//! The cache's directory: its layout, its version and its lock.
//!
//! ```text
//! packed/
//!   version                       a link whose target is the layout's version
//!   lock                          held exclusively while something is published or removed
//!   bundles/<bundle>              a record: this bundle's store paths are whole; locked while the bundle runs
//!   bundles/<bundle>.relocated-<path>  the same for those that are relocated to this path of the cache, a checksum
//!   stores/<n>/<base name>        a store path; stores/<n> is the store directory mounted at /nix/store
//!   stores/<n>.contents/<name>    a link whose target is the store path's NAR hash
//!   roots/<listing>               an empty copy of the host's top level, as a new root
//!   <key>-<name>                  a relocated store path: its name depends on its content and the cache's path
//!   .packed-<tag>-<name>          an unfinished file; in the other directories as well
//! ```
//!
//! All bundles share store directory 0. Another one is made only for a store path that has the same
//! name as an existing one, but other contents.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use rustix::io::Errno;

use crate::error::{Error, Shown, Unusable};
use crate::system::file::{self, Permissions};
use crate::system::{call, log};

/// The layout's version. A cache with another version is not touched.
const VERSION: &CStr = c"1";

/// The link whose target is the version.
const VERSION_LINK: &CStr = c"version";

const LOCK: &CStr = c"lock";
pub(super) const WORK: &CStr = c"work";
pub(super) const STORES: &CStr = c"stores";
pub(super) const BUNDLES: &CStr = c"bundles";
pub(super) const ROOTS: &CStr = c"roots";

/// The permissions of directories that only the launcher reads, and of those that the program sees
/// as `/nix/store`.
pub(super) const PRIVATE: Permissions = Permissions::from_raw_mode(0o700);
pub(super) const PUBLIC: Permissions = Permissions::from_raw_mode(0o755);

/// The directory to which bundles are unpacked.
#[derive(Debug)]
pub struct Cache {
    /// The directory.
    pub directory: OwnedFd,
    /// The directory's absolute path.
    pub path: Vec<u8>,
    /// What a running program locks.
    pub lease: Lease,
}

/// What a running program locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The record of its bundle.
    Record,
    /// The whole cache: systemd-tmpfiles(8) deletes old files below /tmp and /var/tmp, but not in
    /// locked directories.
    Cache,
}

/// The cache's lock; dropping it unlocks the cache.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "closing it unlocks")] OwnedFd);

impl Cache {
    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// If the directory contains anything other than a cache with this layout, or cannot be
    /// written.
    pub(super) fn lock(&self) -> Result<Lock, Error> {
        let failed = || Error::file("use", &*self.path);
        // Check this before writing: the directory may contain other files.
        self.is_new()?;
        let lock = file::lock(&self.directory, LOCK, || log::waiting(Shown::from(&*self.path)))
            .map_err(failed())?;
        if self.is_new()? {
            rustix::fs::symlinkat(VERSION, &self.directory, VERSION_LINK).map_err(failed())?;
        }
        Ok(Lock(lock))
    }

    /// Whether nothing has been unpacked to the directory. It is an error if the directory contains
    /// other files, which must not be touched.
    fn is_new(&self) -> Result<bool, Error> {
        let failed = Error::file("use", &*self.path);
        let unusable = |reason| Error::unusable(&*self.path, reason);
        let version = || rustix::fs::readlinkat(&self.directory, VERSION_LINK, Vec::new());
        match version() {
            Ok(version) if *version == *VERSION => Ok(false),
            Ok(_) | Err(Errno::INVAL) => Err(unusable(Unusable::OtherLayout)),
            Err(Errno::NOENT) => {
                // A temporary cache has a name that only the launcher uses. Its old files, such as
                // the version, may have been deleted.
                let is_temporary = self.lease == Lease::Cache;
                // The lock is the first file of a cache. `lost+found` is in the top directory of an
                // ext4 file system.
                let is_expected = |name: &CString| [LOCK, c"lost+found"].contains(&&**name);
                let is_cache = is_temporary
                    || file::names(&self.directory).map_err(failed)?.iter().all(is_expected);
                match version() {
                    _ if is_cache => Ok(true),
                    Err(Errno::NOENT) => Err(unusable(Unusable::OtherFiles)),
                    // Another process made the cache since the first look.
                    _ => self.is_new(),
                }
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Opens a directory of the cache, which is created if it is absent.
    pub(super) fn subdirectory(
        &self,
        name: &'static CStr,
        permissions: Permissions,
    ) -> Result<OwnedFd, Error> {
        let directory = file::ensure_directory(&self.directory, name, permissions)
            .map_err(Error::file("create", name))?;
        check_ours(directory, name)
    }

    /// Opens a directory of the cache if it exists. Commands that remove files do not create it.
    pub(super) fn subdirectory_if_there(
        &self,
        name: &'static CStr,
    ) -> Result<Option<OwnedFd>, Error> {
        match file::open_directory(&self.directory, name) {
            Ok(directory) => check_ours(directory, name).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::file("open", name)(errno)),
        }
    }
}

/// Checks the owner: another user can have made the directory while the cache was writable by
/// others.
fn check_ours(directory: OwnedFd, name: &CStr) -> Result<OwnedFd, Error> {
    let stat = rustix::fs::fstat(&directory).map_err(Error::file("open", name))?;
    match is_ours(&stat) {
        true => Ok(directory),
        false => Err(Error::unusable(name, Unusable::ForeignOwner(stat.st_uid))),
    }
}

/// Whether this user owns the file: another user can have made it while the cache was writable by
/// others.
pub(super) fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == call::user()
}

/// Converts a name, which consists of digits and names of store paths: it never contains NUL.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL in a name made of digits and store paths")
}
