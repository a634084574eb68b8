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
//!   graphics/<driver>             links to the host's graphics drivers of one version
//!   graphics/<store path>-for-…   a link to the libraries of a bundle's graphics drivers
//!   host/<bundle>/<program>       a link to a bundle, in the place of a program of the host
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
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::network;
use crate::error::{Error, Shown, Unusable};
use crate::system::call::{self, Clock};
use crate::system::file::{self, Permissions};
use crate::system::log;

/// The layout's version. A cache with another version is not touched.
const VERSION: &CStr = c"1";

/// The link whose target is the version.
const VERSION_LINK: &CStr = c"version";

const LOCK: &CStr = c"lock";
pub(super) const WORK: &CStr = c"work";
pub(super) const STORES: &CStr = c"stores";
pub(super) const BUNDLES: &CStr = c"bundles";
pub(crate) const ROOTS: &CStr = c"roots";
pub(crate) const GRAPHICS: &CStr = c"graphics";
pub(crate) const HOST: &CStr = c"host";

/// The permissions of directories that only the launcher reads, and of those that the program sees
/// as `/nix/store`.
pub(crate) const PRIVATE: Permissions = Permissions::from_raw_mode(0o700);
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
    /// Who fills it.
    pub kind: Kind,
}

/// Who fills a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This user's starts. Nobody else owns a file in it.
    Own,
    /// An administrator: root or this user owns its files, and a start writes nothing to it.
    Shared,
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
pub(super) struct Lock {
    #[expect(dead_code, reason = "closing it unlocks")]
    file: OwnedFd,
    /// What is known about other processes while it is held.
    pub(super) others: Others,
}

/// What other processes that unpack to the cache or remove from it can do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// They wait.
    Wait,
    /// They may be at work: locks do nothing on this file system, or only on this machine.
    Work,
}

/// Seconds after which nobody is at work on an unfinished file any more, where locks do not say so.
const STALE: i64 = 24 * 60 * 60;

impl Others {
    /// Whether another process may still be at work on a file: it changed a short time ago.
    pub(super) fn may_use(self, directory: &OwnedFd, name: &CStr) -> bool {
        let changed = || {
            // Not the time of modification, which is set for each store path.
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::statat(directory, name, flags).map_or(0, |stat| stat.st_ctime)
        };
        let (now, _) = call::time(Clock::Real);
        self == Others::Work && now.saturating_sub(changed()) < STALE
    }
}

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
            match rustix::fs::symlinkat(VERSION, &self.directory, VERSION_LINK) {
                // Another start, without the lock, was faster.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed()(errno)),
            }
        }
        let others = match self.network().is_none() && file::excludes(&self.directory, LOCK) {
            true => Others::Wait,
            false => Others::Work,
        };
        Ok(Lock { file: lock, others })
    }

    /// Returns the name of the network file system that the cache is on. Other machines may use it, and locks may be
    /// this machine's only.
    pub fn network(&self) -> Option<&'static str> {
        network::name(rustix::fs::fstatfs(&self.directory))
    }

    /// Whether other users may use the cache: `packer cache add` filled it.
    ///
    /// The directory of records says so: only then may other users read it.
    pub(super) fn is_for_all(&self) -> bool {
        let stat = rustix::fs::statat(&self.directory, BUNDLES, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| is_for_all(&stat))
    }

    /// Lets other users read the cache, and run what is in it.
    pub(super) fn open_to_all(&self) -> Result<(), Error> {
        for name in [BUNDLES, STORES] {
            let directory = self.subdirectory(name, PUBLIC)?;
            rustix::fs::fchmod(&directory, PUBLIC).map_err(Error::file("change", name))?;
        }
        rustix::fs::fchmod(&self.directory, PUBLIC).map_err(Error::file("change", &*self.path))
    }

    /// Whether what this file's owner wrote may run: this user, or root in a shared cache.
    pub(super) fn trusts(&self, stat: &Stat) -> bool {
        is_ours(stat) || self.kind == Kind::Shared && stat.st_uid == 0
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
    pub(crate) fn subdirectory(
        &self,
        name: &'static CStr,
        permissions: Permissions,
    ) -> Result<OwnedFd, Error> {
        let directory = file::ensure_directory(&self.directory, name, permissions)
            .map_err(Error::file("create", name))?;
        self.check_owner(directory, name)
    }

    /// Opens a directory of the cache if it exists. Commands that remove files do not create it.
    pub(super) fn subdirectory_if_there(
        &self,
        name: &'static CStr,
    ) -> Result<Option<OwnedFd>, Error> {
        match file::open_directory(&self.directory, name) {
            Ok(directory) => self.check_owner(directory, name).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::file("open", name)(errno)),
        }
    }

    /// Checks that nobody else can change what is in a directory of a shared cache, if it is there.
    pub(super) fn check_part(&self, name: &CStr) -> Result<(), Unusable> {
        match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Unusable::Failed("stat", errno)),
            Ok(stat) if !FileType::from_raw_mode(stat.st_mode).is_dir() => {
                Err(Unusable::Failed("open", Errno::NOTDIR))
            }
            Ok(stat) if !self.trusts(&stat) => Err(Unusable::ForeignOwner(stat.st_uid)),
            Ok(stat) if stat.st_mode & 0o022 != 0 => Err(Unusable::WritableByOthers),
            Ok(_) => Ok(()),
        }
    }

    /// Checks the owner: another user can have made the directory while the cache was writable by
    /// others.
    fn check_owner(&self, directory: OwnedFd, name: &CStr) -> Result<OwnedFd, Error> {
        let stat = rustix::fs::fstat(&directory).map_err(Error::file("open", name))?;
        match self.trusts(&stat) {
            true => Ok(directory),
            false => Err(Error::unusable(name, Unusable::ForeignOwner(stat.st_uid))),
        }
    }
}

/// Whether everybody may list a directory and open what is in it.
pub(super) fn is_for_all(stat: &Stat) -> bool {
    stat.st_mode & 0o005 == 0o005
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
