//! Removes bundles that nobody uses, and store paths that no bundle has.

use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::io::Errno;

use super::directory::{BUNDLES, Cache, GRAPHICS, HOST, Others, ROOTS, STORES, WORK};
use super::record::{self, Location, Record};
use super::users::{Kept, Users};
use super::{lease, name, store_dir, unfinished};
use crate::error::Error;
use crate::payload::Bundle;
use crate::system::file;
use crate::system::remove::remove;

/// The result of removing a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was removed, with the store paths that no other bundle uses.
    Gone,
    /// It was not in the cache.
    Absent,
    /// It was not removed.
    Kept(Kept),
}

/// The result of removing unused bundles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The number of bundles that were removed.
    pub removed: usize,
    /// The names of the first entries of those that were not removed, with the reason.
    pub kept: Vec<(String, Kept)>,
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
    /// Removes the bundle, and the store paths that no other bundle uses. With `force` it is also removed if a process
    /// may use it that cannot be looked at.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or written.
    pub fn clear(&self, bundle: &Bundle, force: bool) -> Result<Removed, Error> {
        let Collected { removed, kept } =
            self.remove(|name, _| record::is_of(name, bundle), force)?;
        Ok(match (kept.into_iter().next(), removed) {
            (Some((_, kept)), _) => Removed::Kept(kept),
            (None, 1..) => Removed::Gone,
            (None, 0) => Removed::Absent,
        })
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
            let read = || {
                let Some(record) = record::read(self, &bundles, &name)? else { return Ok(None) };
                let in_use = lease::is_in_use(self, &bundles, &name)?;
                Ok(Some(Listed { record, in_use }))
            };
            match read() {
                Ok(found) => listed.extend(found),
                // Another process can remove the record meanwhile: listing does not take the lock,
                // to work on a read-only disk.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::file("read", &*name)(errno)),
            }
        }
        let records: Vec<Record> = listed.iter().map(|listed| listed.record.clone()).collect();
        let users = Users::look(self, names_of(&records));
        for Listed { record, in_use } in &mut listed {
            *in_use |= users.keep(self, record, &records, true).is_some();
        }
        Ok(listed)
    }

    /// Removes the bundles that are not running and were last used before `before`, in seconds
    /// since the epoch, and then everything that no bundle uses. With `force`, also those that a process may use that
    /// cannot be looked at.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or written.
    pub fn collect(&self, before: i64, force: bool) -> Result<Collected, Error> {
        let is_old = |_: &CStr, record: Option<&Record>| {
            record.is_some_and(|record| record.last_used < before)
        };
        self.remove(is_old, force)
    }

    /// Removes the bundles whose record `is_chosen`, and then everything that no bundle uses.
    fn remove(
        &self,
        is_chosen: impl Fn(&CStr, Option<&Record>) -> bool,
        force: bool,
    ) -> Result<Collected, Error> {
        let lock = self.lock()?;
        let is_elsewhere = !force && (self.is_for_all() || self.network().is_some());
        let mut collected = Collected::default();
        let Some(bundles) = self.subdirectory_if_there(BUNDLES)? else { return Ok(collected) };
        let records = record::all(self)?;
        let mut released = Vec::new();
        for name in record::names(&bundles)? {
            let failed = || Error::file("remove", &*name);
            let record = record::read(self, &bundles, &name).map_err(failed())?;
            if !is_chosen(&name, record.as_ref()) {
                continue;
            }
            let keep = || {
                let record = record.as_ref()?;
                let users = Users::look(self, names_of(&records));
                let kept = users.keep(self, record, &records, force);
                kept.or_else(|| is_elsewhere.then_some(Kept::Elsewhere))
            };
            match lease::remove(self, &bundles, &name, keep).map_err(failed())? {
                None => {
                    collected.removed += 1;
                    released.extend(record);
                }
                Some(kept) => {
                    let entry = record.map_or_else(String::new, |record| record.entry);
                    collected.kept.push((entry, kept));
                }
            }
        }
        self.sweep(released, lock.others)?;
        Ok(collected)
    }

    /// Removes all store paths that no record lists and no process uses, and all unfinished files. The caller holds the
    /// lock, and has removed the records `released`: their store paths can be relocated for another path of the cache.
    fn sweep(&self, released: Vec<Record>, others: Others) -> Result<(), Error> {
        for name in [BUNDLES, ROOTS, GRAPHICS, HOST] {
            if let Some(directory) = self.subdirectory_if_there(name)? {
                unfinished::remove_all(&directory, others)?;
            }
        }
        // Launchers of earlier versions unpack there.
        remove(&self.directory, WORK).map_err(Error::file("remove", WORK))?;
        let released: BTreeSet<String> =
            released.into_iter().flat_map(|record| record.names).collect();
        let unlisted = self.unlisted(&released)?;
        let names = unlisted.iter().filter_map(|(_, name)| name.to_str().ok());
        let users = match unlisted.is_empty() {
            true => return Ok(()),
            false => Users::look(self, names),
        };
        for (location, name) in &unlisted {
            if name.to_str().is_ok_and(|name| users.use_path(*location, name)) {
                continue;
            }
            let path = location.path(name);
            let is_released = name.to_str().is_ok_and(|name| released.contains(name));
            // It has its name before it has a record.
            if !is_released && others.may_use(&self.directory, &path) {
                continue;
            }
            let mut paths = [Some(path), location.hash(name)].into_iter().flatten();
            paths
                .try_for_each(|path| remove(&self.directory, &path))
                .map_err(Error::file("remove", &**name))?;
        }
        Ok(())
    }

    /// Returns the store paths that no record lists, and what is unfinished.
    fn unlisted(&self, released: &BTreeSet<String>) -> Result<Vec<(Location, CString)>, Error> {
        let mut listed = BTreeSet::new();
        for record in record::all(self)? {
            let names = record.names.into_iter().filter_map(|name| CString::new(name).ok());
            listed.extend(names.map(|name| (record.location, name)));
        }
        let mut there = Vec::new();
        if let Some(stores) = self.subdirectory_if_there(STORES)? {
            for number in file::names(&stores).map_err(Error::file("list", STORES))? {
                let Some(number) = number.to_str().ok().and_then(|text| text.parse().ok()) else {
                    continue;
                };
                let names = store_dir::open(&stores, number)
                    .and_then(file::names)
                    .map_err(Error::file("list", STORES))?;
                there.extend(names.into_iter().map(|name| (Location::Store(number), name)));
            }
        }
        for name in file::names(&self.directory).map_err(Error::file("list", &*self.path))? {
            // The cache's directory may contain other files as well.
            if name::is_relocated_name(&self.path, name.to_bytes())
                || unfinished::is_unfinished(&name)
                || name.to_str().is_ok_and(|name| released.contains(name))
            {
                there.push((Location::Relocated, name));
            }
        }
        there.retain(|path| !listed.contains(path));
        Ok(there)
    }
}

/// The names of the store paths of bundles.
fn names_of(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().flat_map(|record| record.names.iter().map(String::as_str))
}
