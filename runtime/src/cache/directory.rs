//! The cache's directory: its layout, its version and its lock.
//!
//! ```text
//! packed/
//!   version                       a link to the layout's version
//!   lock                          held exclusively while something is published or removed
//!   bundles/<bundle>[.relocated]  a record: this bundle's store paths are whole; held shared while it runs
//!   stores/<n>/<base name>        a store path; the directory is what appears as /nix/store
//!   stores/<n>.contents/<name>    a link to the store path's NAR hash
//!   roots/<listing>               an empty copy of the host's top level, to mount it into
//!   work/                         what is being unpacked or removed
//!   <key>-<name>                  a relocated store path: its name says what it holds and for which base
//! ```
//!
//! All bundles share store 0. Another is made only for a store path that has the name of one that is
//! there, but other contents.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use rustix::io::Errno;

use crate::error::{Error, Shown, Unusable};
use crate::system::file::{self, Permissions};
use crate::system::{call, log};

/// The layout's version. Another layout has another number, and is not touched.
const VERSION: &CStr = c"1";

/// What says so: a link.
const VERSION_LINK: &CStr = c"version";

const LOCK: &CStr = c"lock";
pub(super) const WORK: &CStr = c"work";
pub(super) const STORES: &CStr = c"stores";
pub(super) const BUNDLES: &CStr = c"bundles";
pub(super) const ROOTS: &CStr = c"roots";

/// The permissions of what only we look into, and of what the program sees as `/nix/store`.
pub(super) const PRIVATE: Permissions = Permissions::from_raw_mode(0o700);
pub(super) const PUBLIC: Permissions = Permissions::from_raw_mode(0o755);

/// The directory where bundles are unpacked.
#[derive(Debug)]
pub struct Cache {
    /// The directory.
    pub directory: OwnedFd,
    /// Its absolute path.
    pub path: Vec<u8>,
    /// What a running program holds a lock on.
    pub lease: Lease,
}

/// What a running program holds a lock on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The record of its bundle.
    Record,
    /// The whole cache: systemd-tmpfiles(8) cleans /tmp and /var/tmp by age, but for locked directories.
    Cache,
}

/// The cache's lock; dropping it unlocks.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "closing it unlocks")] OwnedFd);

impl Cache {
    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// If the directory holds something else than a cache of this layout, or cannot be written.
    pub(super) fn lock(&self) -> Result<Lock, Error> {
        let failed = || Error::file("use", &*self.path);
        // Before anything is written: the directory can be one with other things in it.
        self.is_new()?;
        let lock = file::lock(&self.directory, LOCK, || log::waiting(Shown::from(&*self.path)))
            .map_err(failed())?;
        if self.is_new()? {
            rustix::fs::symlinkat(VERSION, &self.directory, VERSION_LINK).map_err(failed())?;
        }
        Ok(Lock(lock))
    }

    /// Whether nothing has been unpacked to the directory; what else is in it may not be touched.
    fn is_new(&self) -> Result<bool, Error> {
        let failed = Error::file("use", &*self.path);
        let unusable = |reason| Error::unusable(&*self.path, reason);
        match rustix::fs::readlinkat(&self.directory, VERSION_LINK, Vec::new()) {
            Ok(version) if *version == *VERSION => Ok(false),
            Ok(_) | Err(Errno::INVAL) => Err(unusable(Unusable::OtherLayout)),
            Err(Errno::NOENT) => {
                // A temporary one has a name of ours, and may have been cleaned of what is old.
                let is_temporary = self.lease == Lease::Cache;
                // The lock comes first; the other is there wherever a disk is mounted.
                let is_expected = |name: &CString| [LOCK, c"lost+found"].contains(&&**name);
                let is_cache = is_temporary
                    || file::names(&self.directory).map_err(failed)?.iter().all(is_expected);
                if is_cache { Ok(true) } else { Err(unusable(Unusable::OtherFiles)) }
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

    /// Opens a directory that is made when something is put into it; who removes things makes none.
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

/// Somebody else can have made a directory, when others could still write to the cache.
fn check_ours(directory: OwnedFd, name: &CStr) -> Result<OwnedFd, Error> {
    let stat = rustix::fs::fstat(&directory).map_err(Error::file("open", name))?;
    match is_ours(&stat) {
        true => Ok(directory),
        false => Err(Error::unusable(name, Unusable::ForeignOwner(stat.st_uid))),
    }
}

/// Whether nobody else can have put it there, when others could still write to the cache.
pub(super) fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == call::user()
}

/// Digits, store paths' names and what is made of them hold no NUL.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL in a name made of digits and store paths")
}
