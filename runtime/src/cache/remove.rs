//! Removing what nobody uses.

use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags};
use rustix::io::Errno;

use super::{
    BUNDLES, Cache, Form, Location, PRIVATE, Record, STORES, WORK, c_string, record, store,
};
use crate::error::Error;
use crate::file;
use crate::payload::Bundle;
use crate::relocation;

/// What became of a bundle that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, and the store paths that only it used.
    Gone,
    /// It was not there.
    Absent,
    /// Somebody is running it: nothing was removed.
    InUse,
}

/// A bundle in the cache, as `packer cache list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The record.
    pub record: Record,
    /// Whether somebody runs it.
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
        for form in [Form::AsIs, Form::Relocated] {
            if record::is_there(self, bundle, form)? {
                removed = Removed::Gone;
            }
            let name = record::name(bundle, form);
            if !record::remove(self, &bundles, &name).map_err(Error::file("remove", &*name))? {
                return Ok(Removed::InUse);
            }
        }
        self.sweep()?;
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
        for name in file::names(&bundles).map_err(Error::file("list", BUNDLES))? {
            let read =
                || Ok((record::read(&bundles, &name)?, record::is_in_use(self, &bundles, &name)?));
            match read() {
                Ok((Some(record), in_use)) => listed.push(Listed { record, in_use }),
                // Without the lock, which is no use on a read-only disk, it can be removed meanwhile.
                Ok((None, _)) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::file("read", &*name)(errno)),
            }
        }
        Ok(listed)
    }

    /// Removes the bundles that nobody runs and nobody ran since `before`, in seconds since the epoch, and
    /// all that no bundle uses; returns how many bundles.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or written.
    pub fn collect(&self, before: i64) -> Result<usize, Error> {
        let _lock = self.lock()?;
        let Some(bundles) = self.subdirectory_if_there(BUNDLES)? else { return Ok(0) };
        let mut removed = 0;
        for name in file::names(&bundles).map_err(Error::file("list", BUNDLES))? {
            let remove = || match record::read(&bundles, &name)? {
                Some(record) if record.last_used < before => record::remove(self, &bundles, &name),
                _ => Ok(false),
            };
            removed += usize::from(remove().map_err(Error::file("remove", &*name))?);
        }
        self.sweep()?;
        Ok(removed)
    }

    /// Removes all store paths that no record names; the lock is held.
    fn sweep(&self) -> Result<(), Error> {
        let used = self.used()?;
        let work = self.subdirectory(WORK, PRIVATE)?;
        if let Some(stores) = self.subdirectory_if_there(STORES)? {
            sweep_stores(&stores, &used, &work)?;
        }
        for name in file::names(&self.directory).map_err(Error::file("list", &*self.path))? {
            // The directory can be one that holds other things as well.
            let is_ours = relocation::is_name(&self.path, name.to_bytes());
            if is_ours && !used.contains(&(Location::Relocated, name.clone())) {
                take(&self.directory, &name, &work).map_err(Error::file("remove", &*name))?;
            }
        }
        contents(&work)
    }

    /// The store paths that records name, by store.
    fn used(&self) -> Result<Used, Error> {
        let mut used = BTreeSet::new();
        for record in record::all(self)? {
            let names = record.names.into_iter().filter_map(|name| CString::new(name).ok());
            used.extend(names.map(|name| (record.location, name)));
        }
        Ok(used)
    }
}

/// The store paths that records name, by store.
type Used = BTreeSet<(Location, CString)>;

/// Removes the store paths in `stores` that are not used.
fn sweep_stores(stores: &OwnedFd, used: &Used, work: &OwnedFd) -> Result<(), Error> {
    for number in file::names(stores).map_err(Error::file("list", STORES))? {
        let Some(number) = number.to_str().ok().and_then(|text| text.parse::<u32>().ok()) else {
            continue;
        };
        let (directory, contents) = store::open_pair(stores, number)?;
        for name in file::names(&directory).map_err(Error::file("list", STORES))? {
            if !used.contains(&(Location::Store(number), name.clone())) {
                take(&directory, &name, work)
                    .and_then(|()| unlink_if_there(&contents, &name))
                    .map_err(Error::file("remove", &*name))?;
            }
        }
    }
    Ok(())
}

/// Takes a store path out of sight: a half-removed tree must not be taken for a whole one.
pub(super) fn take(directory: &OwnedFd, name: &CStr, work: &OwnedFd) -> Result<(), Errno> {
    let aside = c_string(alloc::format!("{:016x}", file::random()));
    make_writable(directory, name)?;
    rustix::fs::renameat(directory, name, work, &aside)
}

/// Moves a store path to its place, and what is there to where it was.
pub(super) fn exchange(work: &OwnedFd, name: &CStr, directory: &OwnedFd) -> Result<(), Errno> {
    let exchange = || {
        make_writable(directory, name)?;
        rustix::fs::renameat_with(work, name, directory, name, RenameFlags::EXCHANGE)
    };
    match exchange() {
        Err(Errno::NOENT) => {}
        // A file system that cannot.
        Err(Errno::INVAL | Errno::NOSYS) => take(directory, name, work)?,
        result => return result,
    }
    file::rename_new(work, name, directory)
}

/// Removes everything in a directory of ours, however deep: directories inside are emptied into it, so
/// that no path gets long and no stack deep.
pub(crate) fn contents(directory: &OwnedFd) -> Result<(), Error> {
    let remove = || loop {
        let names = file::names(directory)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove_one(directory, &name)?;
        }
    };
    remove().map_err(Error::file("remove", WORK))
}

fn remove_one(directory: &OwnedFd, name: &CString) -> Result<(), Errno> {
    if !is_directory(directory, name)? {
        return rustix::fs::unlinkat(directory, name, AtFlags::empty());
    }
    make_writable(directory, name)?;
    let inner = file::open_directory(directory, name)?;
    for child in file::names(&inner)? {
        if is_directory(&inner, &child)? {
            take(&inner, &child, directory)?;
        } else {
            rustix::fs::unlinkat(&inner, &child, AtFlags::empty())?;
        }
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

fn is_directory(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// A directory of a Nix store has mode 0555: nothing can be taken out of it, nor can it be moved.
fn make_writable(directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    if is_directory(directory, name)? {
        let mode = Mode::from_raw_mode(0o700);
        rustix::fs::chmodat(directory, name, mode, AtFlags::empty())?;
    }
    Ok(())
}

fn unlink_if_there(directory: &OwnedFd, name: &CString) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
