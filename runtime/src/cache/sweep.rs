//! Removes bundles that are not running, and store paths that no bundle uses.

use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::directory::{BUNDLES, Cache, ROOTS, STORES, WORK};
use super::record::{self, Location, Record};
use super::{lease, name, store_dir, unfinished};
use crate::error::Error;
use crate::payload::Bundle;
use crate::system::file;
use crate::system::remove::remove;

/// The result of removing a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was removed, with the store paths that no other bundle uses.
    Gone,
    /// It was not in the cache.
    Absent,
    /// It is running; nothing was removed.
    InUse,
}

/// A bundle in the cache, as `packer cache list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The record.
    pub record: Record,
    /// Whether a program of the bundle is running.
    pub in_use: bool,
}

impl Cache {
    /// Removes the bundle, and the store paths that no other bundle uses.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or written.
    pub fn clear(&self, bundle: &Bundle) -> Result<Removed, Error> {
        let _lock = self.lock()?;
        let Some(bundles) = self.subdirectory_if_there(BUNDLES)? else {
            return Ok(Removed::Absent);
        };
        let mut removed = Removed::Absent;
        let mut released = Vec::new();
        for name in record::names(&bundles)? {
            if !record::is_of(&name, bundle) {
                continue;
            }
            let remove = || {
                let record = record::read(&bundles, &name)?;
                Ok((record, lease::remove(self, &bundles, &name)?))
            };
            match remove().map_err(Error::file("remove", &*name))? {
                (_, false) => removed = Removed::InUse,
                (record, true) => {
                    released.extend(record);
                    if removed == Removed::Absent {
                        removed = Removed::Gone;
                    }
                }
            }
        }
        self.sweep(released)?;
        Ok(removed)
    }

    /// Lists the bundles.
    ///
    /// # Errors
    ///
    /// If a record cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        let Some(bundles) = self.subdirectory_if_there(BUNDLES)? else { return Ok(listed) };
        for name in record::names(&bundles)? {
            let read =
                || Ok((record::read(&bundles, &name)?, lease::is_in_use(self, &bundles, &name)?));
            match read() {
                Ok((Some(record), in_use)) => listed.push(Listed { record, in_use }),
                // Another process can remove the record meanwhile: listing does not take the lock,
                // to work on a read-only disk.
                Ok((None, _)) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::file("read", &*name)(errno)),
            }
        }
        Ok(listed)
    }

    /// Removes the bundles that are not running and were last used before `before`, in seconds
    /// since the epoch, and then everything that no bundle uses. Returns the number of removed
    /// bundles.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or written.
    pub fn collect(&self, before: i64) -> Result<usize, Error> {
        let _lock = self.lock()?;
        let Some(bundles) = self.subdirectory_if_there(BUNDLES)? else { return Ok(0) };
        let mut released = Vec::new();
        for name in record::names(&bundles)? {
            let remove = || match record::read(&bundles, &name)? {
                Some(record) if record.last_used < before => {
                    Ok(lease::remove(self, &bundles, &name)?.then_some(record))
                }
                _ => Ok(None),
            };
            released.extend(remove().map_err(Error::file("remove", &*name))?);
        }
        let removed = released.len();
        self.sweep(released)?;
        Ok(removed)
    }

    /// Removes all store paths that no record lists, and all unfinished files. The caller holds the lock, and has
    /// removed these records: their store paths can be relocated for another path of the cache.
    fn sweep(&self, released: Vec<Record>) -> Result<(), Error> {
        let released: BTreeSet<String> =
            released.into_iter().flat_map(|record| record.names).collect();
        let used = self.used()?;
        for name in [BUNDLES, ROOTS] {
            if let Some(directory) = self.subdirectory_if_there(name)? {
                unfinished::remove_all(&directory)?;
            }
        }
        // Launchers of earlier versions unpack there.
        remove(&self.directory, WORK).map_err(Error::file("remove", WORK))?;
        if let Some(stores) = self.subdirectory_if_there(STORES)? {
            sweep_stores(&stores, &used)?;
        }
        for name in file::names(&self.directory).map_err(Error::file("list", &*self.path))? {
            // The cache's directory may contain other files as well.
            let is_ours = name::is_relocated_name(&self.path, name.to_bytes())
                || unfinished::is_unfinished(&name)
                || name.to_str().is_ok_and(|name| released.contains(name));
            if is_ours && !used.contains(&(Location::Relocated, name.clone())) {
                remove(&self.directory, &name).map_err(Error::file("remove", &*name))?;
            }
        }
        Ok(())
    }

    /// Returns the store paths that records list, with their locations.
    fn used(&self) -> Result<Used, Error> {
        let mut used = BTreeSet::new();
        for record in record::all(self)? {
            let names = record.names.into_iter().filter_map(|name| CString::new(name).ok());
            used.extend(names.map(|name| (record.location, name)));
        }
        Ok(used)
    }
}

/// The store paths that records list, with their locations.
type Used = BTreeSet<(Location, CString)>;

/// Removes the store paths below `stores` that no record lists.
fn sweep_stores(stores: &OwnedFd, used: &Used) -> Result<(), Error> {
    for number in file::names(stores).map_err(Error::file("list", STORES))? {
        let Some(number) = number.to_str().ok().and_then(|text| text.parse::<u32>().ok()) else {
            continue;
        };
        let (directory, hashes) = store_dir::open_pair(stores, number)?;
        for name in file::names(&directory).map_err(Error::file("list", STORES))? {
            if !used.contains(&(Location::Store(number), name.clone())) {
                remove(&directory, &name)
                    .and_then(|()| remove(&hashes, &name))
                    .map_err(Error::file("remove", &*name))?;
            }
        }
    }
    Ok(())
}
