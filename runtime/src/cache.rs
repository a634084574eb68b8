//! What is unpacked: looked up, or unpacked beside and published by renaming.
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

mod record;
pub(crate) mod remove;
pub(crate) mod store;

use alloc::ffi::CString;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use crate::boot::Boot;
use crate::error::{Error, Unusable};
use crate::file::{self, ExactModes};
use crate::log::Log;
use crate::payload::{Bundle, Payload};
use crate::{place, unpack};
use record::Known;
pub use record::{Ready, Record, State};
pub use remove::{Listed, Removed};
use store::Store;
pub use store::{Form, Location};

/// The layout's version. Another layout has another number, and is not touched.
const VERSION: &CStr = c"1";

/// What says so: a link.
const VERSION_LINK: &CStr = c"version";

const LOCK: &CStr = c"lock";
const WORK: &CStr = c"work";
const STORES: &CStr = c"stores";
const BUNDLES: &CStr = c"bundles";
const ROOTS: &CStr = c"roots";

/// The mode of what only we look into, and of what the program sees as `/nix/store`.
const PRIVATE: Mode = Mode::from_raw_mode(0o700);
const PUBLIC: Mode = Mode::from_raw_mode(0o755);

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

/// What [`Cache::verify`] found.
#[derive(Debug)]
pub struct Verified {
    /// How many store paths the bundle has.
    pub paths: usize,
    /// The names of those that were not whole, and are again.
    pub altered: Vec<CString>,
}

/// The cache's lock; dropping it unlocks.
#[derive(Debug)]
struct Lock(#[expect(dead_code, reason = "closing it unlocks")] OwnedFd);

impl Cache {
    /// Looks the bundle up.
    ///
    /// # Errors
    ///
    /// If the cache cannot be read.
    pub fn ready(&self, bundle: &Bundle, form: Form) -> Result<Option<Ready>, Error> {
        record::find(self, bundle, form, Known::Nothing)
    }

    /// Checks that references to store paths can be rewritten to this cache, and that its path stays its own.
    ///
    /// # Errors
    ///
    /// If its path is unfit, or others can put something else there.
    pub fn check_base(&self, bundle: &Bundle) -> Result<(), Unusable> {
        let key = bundle.descriptor.paths[0].key;
        format::replacement(&self.path, key).map_err(Unusable::Unfit)?;
        place::check_above(self)
    }

    /// Looks the bundle up, and unpacks what is missing of it.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written. The cache is as it was then.
    pub fn prepare(&self, bundle: &Bundle, form: Form, log: Log) -> Result<Ready, Error> {
        let _lock = self.lock()?;
        if let Some(ready) = self.ready(bundle, form)? {
            return Ok(ready);
        }
        // Whoever made it is gone: we have the lock.
        let work = self.subdirectory(WORK, PRIVATE)?;
        remove::contents(&work)?;
        let result = self.unpack(bundle, form, &work, log);
        if result.is_err() {
            // The next start tries again; the error that matters is the one that is there.
            let _ = remove::contents(&work);
        }
        result
    }

    /// Checks all that is unpacked of the bundle, and unpacks again what is not whole; `None` if nothing is unpacked.
    ///
    /// In the end all of it is on the disk, and the record says so.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be read or written. What was whole is so then.
    pub fn verify(&self, bundle: &Bundle, form: Form, log: Log) -> Result<Option<Verified>, Error> {
        let _lock = self.lock()?;
        if !record::is_there(self, bundle, form)? {
            return Ok(None);
        }
        let work = self.subdirectory(WORK, PRIVATE)?;
        remove::contents(&work)?;
        let verify = || {
            let payload = Payload::open_own(&bundle.descriptor)?;
            let contents = payload.contents()?;
            let (location, store) = Store::open(self, &contents.manifest, form)?;
            let altered = store.altered(&contents)?;
            store.replace(&payload, &contents, &altered, (&work, &self.path), log)?;
            record::confirm(self, bundle, &contents.manifest, (location, &store), &work)?;
            let altered = altered.into_iter().flatten().collect();
            Ok(Verified { paths: store.names.len(), altered })
        };
        let verified = verify();
        let removed = remove::contents(&work);
        verified.and_then(|verified| removed.map(|()| Some(verified)))
    }

    /// Makes an empty copy of the host's top level, under a name that says what is in it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn publish_root(
        &self,
        name: &str,
        make: impl FnOnce(&OwnedFd) -> Result<(), Errno>,
    ) -> Result<(), Error> {
        let _modes = ExactModes::begin();
        let _lock = self.lock()?;
        let name = c_string(name.to_string());
        let work = self.subdirectory(WORK, PRIVATE)?;
        let roots = self.subdirectory(ROOTS, PRIVATE)?;
        remove::contents(&work)?;
        let publish = || {
            // Else it was made while we waited for the lock, or by a start that ended before it was finished.
            let found = rustix::fs::statat(&roots, &name, AtFlags::SYMLINK_NOFOLLOW);
            if found.is_ok_and(|stat| !record::is_ours(&stat)) {
                retire(&roots, &name)?;
            }
            if file::open_directory(&roots, &name).is_err() {
                let root = file::ensure_directory(&work, &name, PUBLIC)?;
                make(&root)?;
                // Not synced: directories, links and empty files are all metadata, which a file system that
                // keeps a journal brings to the disk in this order.
                file::rename_new(&work, &name, &roots)?;
            }
            // Only now: a directory that is not writable cannot be moved to another.
            rustix::fs::chmodat(&roots, &name, unpack::DIRECTORY_MODE, AtFlags::empty())
        };
        publish().map_err(|errno| {
            // The next start does so too; the error that matters is the one that is there.
            let _ = remove::contents(&work);
            Error::file("create", &*name)(errno)
        })
    }

    /// Gives a copy of the host's top level another name, since it is not what it should be.
    ///
    /// It is not removed: running programs have mounts on the directories in it, which would go with them.
    ///
    /// # Errors
    ///
    /// If it cannot be renamed.
    pub fn retire_root(&self, name: &str) -> Result<(), Error> {
        let _lock = self.lock()?;
        let roots = self.subdirectory(ROOTS, PRIVATE)?;
        let name = c_string(name.to_string());
        retire(&roots, &name).map_err(Error::file("rename", &*name))
    }

    fn unpack(
        &self,
        bundle: &Bundle,
        form: Form,
        work: &OwnedFd,
        log: Log,
    ) -> Result<Ready, Error> {
        let payload = Payload::open_own(&bundle.descriptor)?;
        let contents = payload.contents()?;
        let (location, store) = Store::open(self, &contents.manifest, form)?;
        let known = record::known(self, location)?;
        let mut missing = store.missing()?;
        let checked = store.check(&contents, &known, &mut missing, work, log)?;
        let is_complete = missing.iter().all(Option::is_none);
        let is_settled = |name| known.get(name) == Some(&State::Settled);
        // What was there before this boot, and is whole, was read from the disk just now; what another bundle
        // wrote in this boot was not.
        let is_on_disk = |name| is_settled(name) || !known.contains_key(name);
        let is_all_on_disk = is_complete && checked && store.names.iter().all(is_on_disk);
        if is_all_on_disk && record::settle(self, bundle, location)? {
            return self.found(bundle, form);
        }
        let state = match Boot::current() {
            Some(boot) if !is_complete || !store.names.iter().all(is_settled) => {
                State::Written(boot)
            }
            _ => State::Settled,
        };
        store.fill(&payload, &contents, &missing, state, (work, &self.path), log)?;
        record::write(self, bundle, &contents.manifest, state, (location, &store), work)?;
        // Only what was not whole is still here.
        remove::contents(work)?;
        self.found(bundle, form)
    }

    /// The bundle that was unpacked under the lock just now.
    fn found(&self, bundle: &Bundle, form: Form) -> Result<Ready, Error> {
        record::find(self, bundle, form, Known::Whole)?
            .ok_or(Error::file("read", &*self.path)(Errno::NOENT))
    }

    /// Waits for the lock.
    fn lock(&self) -> Result<Lock, Error> {
        let lock = || {
            // Before anything is written: the directory can be one with other things in it.
            self.is_new()?;
            let lock = file::lock(&self.directory, LOCK, &*self.path)?;
            if self.is_new()? {
                rustix::fs::symlinkat(VERSION, &self.directory, VERSION_LINK)?;
            }
            Ok(Lock(lock))
        };
        lock().map_err(Error::file("use", &*self.path))
    }

    /// Whether nothing has been unpacked to the directory; what else is in it may not be touched.
    fn is_new(&self) -> Result<bool, Errno> {
        match rustix::fs::readlinkat(&self.directory, VERSION_LINK, Vec::new()) {
            Ok(version) if *version == *VERSION => Ok(false),
            Ok(_) | Err(Errno::INVAL) => Err(Errno::PROTONOSUPPORT),
            Err(Errno::NOENT) => {
                // A temporary one has a name of ours, and may have been cleaned of what is old.
                let is_temporary = self.lease == Lease::Cache;
                // The lock comes first; the other is there wherever a disk is mounted.
                let is_empty = |name: &CString| [LOCK, c"lost+found"].contains(&&**name);
                match is_temporary || file::names(&self.directory)?.iter().all(is_empty) {
                    true => Ok(true),
                    false => Err(Errno::NOTEMPTY),
                }
            }
            Err(errno) => Err(errno),
        }
    }

    fn subdirectory(&self, name: &'static CStr, mode: Mode) -> Result<OwnedFd, Error> {
        file::ensure_directory(&self.directory, name, mode)
            .and_then(owned)
            .map_err(Error::file("create", name))
    }

    /// A directory that is made when something is put into it; who removes things makes none.
    fn subdirectory_if_there(&self, name: &'static CStr) -> Result<Option<OwnedFd>, Error> {
        match file::open_directory(&self.directory, name).and_then(owned) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::file("open", name)(errno)),
        }
    }
}

/// Somebody else can have made a directory, when others could still write to the cache.
fn owned(directory: OwnedFd) -> Result<OwnedFd, Errno> {
    match record::is_ours(&rustix::fs::fstat(&directory)?) {
        true => Ok(directory),
        false => Err(Errno::PERM),
    }
}

/// Gives a directory a name that nobody looks for.
fn retire(directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let aside = alloc::format!("{:016x}", file::random());
    rustix::fs::renameat(directory, name, directory, aside)
}

/// Digits, store paths' names and what is made of them hold no NUL.
fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL in a name made of digits and store paths")
}
