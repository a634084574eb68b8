//! A store directory: which store paths it has, and how missing ones are added.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;

use format::Manifest;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::directory::{Cache, Others, PRIVATE, PUBLIC, STORES, c_string, is_ours};
use super::record::{Form, Location, State, Wanted};
use super::{name, unfinished};
use crate::error::{Error, Shown, Size, Unusable};
use crate::payload::{Payload, Sections};
use crate::system::file;
use crate::system::log::Log;
use crate::system::remove::remove;
use crate::unpack::merge::merge;
use crate::unpack::progress::Progress;
use crate::unpack::rewrite::Rewriter;
use crate::unpack::tree::Destination;
use crate::unpack::{self, room};

/// Store directories of a cache at most: so many different contents for one name are a mistake.
const STORE_LIMIT: u32 = 64;

/// A store directory, with the names that one bundle's store paths have in it.
pub(crate) struct StoreDir {
    directory: OwnedFd,
    /// The directory with the NAR hash of each store path. Relocated store paths do not need it:
    /// their names contain a digest.
    hashes: Option<OwnedFd>,
    /// The names of the store paths that are wanted, in the manifest's order.
    pub(super) names: Vec<Option<CString>>,
    rewriter: Option<Rewriter>,
}

/// The source for unpacking store paths.
#[derive(Clone, Copy)]
pub(crate) struct Unpacking<'a> {
    pub(crate) payload: &'a Payload<'a>,
    pub(crate) sections: &'a Sections,
    /// The cache's path for messages.
    pub(crate) place: &'a [u8],
    pub(crate) log: Log,
}

impl StoreDir {
    /// Opens the store directory for a manifest's store paths; those are wanted that one of `all` has.
    pub(super) fn open(
        cache: &Cache,
        sections: &Sections,
        form: Form,
        all: &[Wanted<'_>],
    ) -> Result<(Location, StoreDir), Error> {
        let (location, mut store) = match form {
            Form::Relocated => (Location::Relocated, relocated(cache, &sections.manifest)?),
            Form::AsIs => as_is(cache, sections)?,
        };
        let is_in = |number| all.iter().any(|one| sections.manifest.is_in(one.subset, number));
        for (number, name) in store.names.iter_mut().enumerate() {
            name.take_if(|_| !is_in(number));
        }
        Ok((location, store))
    }

    /// Returns a store directory outside a cache: the host's own store, or the one of
    /// `PACKED=extract`.
    pub(crate) fn outside(
        directory: OwnedFd,
        sections: &Sections,
        subset: Option<u16>,
    ) -> StoreDir {
        let names = sections.names(subset);
        StoreDir { directory, hashes: None, names, rewriter: None }
    }

    /// The names of the store paths that are wanted.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &CString> {
        self.names.iter().flatten()
    }

    /// Unpacks the `missing` store paths, and gives them their names when all are whole. It syncs them first if
    /// `state` is settled. No unfinished files are left, also after an error.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written.
    pub(crate) fn add(
        &self,
        unpacking: &Unpacking<'_>,
        missing: &[Option<CString>],
        state: State,
    ) -> Result<(), Error> {
        self.unpack(unpacking, missing, state, StoreDir::publish)
    }

    /// Unpacks the `altered` store paths again and exchanges them with the old ones, so that a
    /// running program finds all names at any time. Afterwards all store paths are on the disk.
    pub(super) fn replace(
        &self,
        unpacking: &Unpacking<'_>,
        altered: &[Option<CString>],
    ) -> Result<(), Error> {
        if altered.iter().any(Option::is_some) {
            self.unpack(unpacking, altered, State::Settled, StoreDir::exchange)?;
        }
        // Sync the other store paths too: comparing may have read them from the page cache.
        rustix::fs::syncfs(&self.directory).map_err(Error::file("sync", unpacking.place))
    }

    /// Unpacks store paths under the names of unfinished files, and then calls `finish` with the unfinished and the
    /// final name of each.
    fn unpack(
        &self,
        unpacking: &Unpacking<'_>,
        names: &[Option<CString>],
        state: State,
        finish: Finish,
    ) -> Result<(), Error> {
        let tag = file::random();
        let unfinished: Vec<_> = names
            .iter()
            .map(|name| name.as_ref().map(|name| unfinished::name(name, tag)))
            .collect();
        let unpacked = self
            .unpack_as(unpacking, &unfinished, state)
            .and_then(|()| finish(self, unpacking, &unfinished, names));
        let removed = unfinished.iter().flatten().try_for_each(|name| {
            remove(&self.directory, name).map_err(Error::file("remove", &**name))
        });
        unpacked.and(removed)
    }

    fn unpack_as(
        &self,
        unpacking: &Unpacking<'_>,
        names: &[Option<CString>],
        state: State,
    ) -> Result<(), Error> {
        let Unpacking { payload, sections, place, log } = *unpacking;
        let index = sections.index()?;
        let needed = room(&index, names);
        log.debug(format_args!(
            "unpacking {} store paths, {} to {}",
            names.iter().flatten().count(),
            Size(needed.bytes),
            Shown::from(place),
        ));
        let destination = Destination {
            directory: self.directory.as_fd(),
            names,
            rewriter: self.rewriter.as_ref(),
        };
        let sync = || match state {
            State::Settled => {
                rustix::fs::syncfs(&self.directory).map_err(Error::file("sync", place))
            }
            State::Written(_) => Ok(()),
        };
        unpack::unpack(payload, sections, &index, &destination, &Progress::start())
            .and_then(|()| sync())
            .map_err(|error| error.out_of_space(|| Some(needed), place))
    }

    /// Returns the names of the wanted store paths that do not exist.
    pub(crate) fn missing(&self) -> Result<Vec<Option<CString>>, Error> {
        let name_if_missing = |name: &Option<CString>| {
            let Some(name) = name else { return Ok(None) };
            match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_ours(&stat) => Ok(None),
                // Another user put it there while the cache was writable by others, and can still
                // change it.
                Ok(stat) => Err(Error::unusable(&**name, Unusable::ForeignOwner(stat.st_uid))),
                Err(Errno::NOENT) => Ok(Some(name.clone())),
                Err(errno) => Err(Error::file("stat", &**name)(errno)),
            }
        };
        self.names.iter().map(name_if_missing).collect()
    }

    /// Returns the names of the wanted store paths that are not whole or do not exist.
    pub(super) fn altered(&self, sections: &Sections) -> Result<Vec<Option<CString>>, Error> {
        let mut names = self.names.clone();
        let (directory, rewriter) = (self.directory.as_fd(), self.rewriter.as_ref());
        let destination = Destination { directory, names: &names, rewriter };
        let whole = unpack::verify(sections, &sections.index()?, &destination)?;
        for (name, is_whole) in names.iter_mut().zip(whole) {
            name.take_if(|_| is_whole);
        }
        Ok(names)
    }

    /// Checks the wanted store paths that exist but that no record lists. Removes those that are not whole
    /// and adds them to `missing`.
    ///
    /// Returns whether there were any to check.
    pub(super) fn check(
        &self,
        unpacking: &Unpacking<'_>,
        known: &BTreeMap<CString, State>,
        missing: &mut [Option<CString>],
    ) -> Result<bool, Error> {
        let Unpacking { sections, log, .. } = *unpacking;
        let name_if_doubtful = |(name, missing): (&Option<CString>, &Option<CString>)| {
            name.clone().filter(|name| missing.is_none() && !known.contains_key(name))
        };
        let names: Vec<_> = self.names.iter().zip(&*missing).map(name_if_doubtful).collect();
        let count = names.iter().flatten().count();
        if count == 0 {
            return Ok(false);
        }
        log.debug(format_args!("checking {count} store paths"));
        let (directory, rewriter) = (self.directory.as_fd(), self.rewriter.as_ref());
        let destination = Destination { directory, names: &names, rewriter };
        let whole = unpack::verify(sections, &sections.index()?, &destination)?;
        for ((name, is_whole), missing) in names.into_iter().zip(whole).zip(missing) {
            if let (Some(name), false) = (name, is_whole) {
                log.debug(format_args!("{} is not whole", Shown::from(&*name)));
                remove(&self.directory, &name).map_err(Error::file("remove", &*name))?;
                *missing = Some(name);
            }
        }
        Ok(true)
    }

    /// Removes what an interrupted process left. The caller holds the lock.
    pub(crate) fn remove_unfinished(&self, others: Others) -> Result<(), Error> {
        unfinished::remove_all(&self.directory, others)
    }

    /// Gives new store paths their names.
    fn publish(
        &self,
        unpacking: &Unpacking<'_>,
        new: &[Option<CString>],
        names: &[Option<CString>],
    ) -> Result<(), Error> {
        self.each(unpacking, new, names, |_, new, name| {
            match file::rename_new(&self.directory, new, name) {
                // Another start, without the lock, was faster. Its store path has the same content.
                Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(()),
                result => result,
            }
        })
    }

    /// Exchanges new store paths with the old ones.
    fn exchange(
        &self,
        unpacking: &Unpacking<'_>,
        new: &[Option<CString>],
        names: &[Option<CString>],
    ) -> Result<(), Error> {
        let directory = &self.directory;
        // Those that the file system cannot rename.
        let mut fixed: Vec<Option<CString>> = names.iter().map(|_| None).collect();
        self.each(unpacking, new, names, |number, new, name| {
            match file::exchange(directory, new, name) {
                Err(Errno::NOENT) => file::rename_new(directory, new, name),
                // The file system does not support exchanging two names.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    let aside = unfinished::name(name, file::random());
                    rustix::fs::renameat(directory, name, directory, &aside)?;
                    file::rename_new(directory, new, name)?;
                    remove(directory, &aside)
                }
                Err(Errno::XDEV) => {
                    fixed[number] = Some(name.into());
                    Ok(())
                }
                result => result,
            }
        })?;
        match fixed.iter().any(Option::is_some) {
            true => merge(&unpacking.sections.index()?, directory.as_fd(), new, &fixed),
            false => Ok(()),
        }
    }

    /// Calls `finish` with the number, the unfinished and the final name of each store path.
    ///
    /// It writes the NAR hash before: so the hash of an existing store path is always known.
    fn each(
        &self,
        unpacking: &Unpacking<'_>,
        new: &[Option<CString>],
        names: &[Option<CString>],
        mut finish: impl FnMut(usize, &CStr, &CStr) -> Result<(), Errno>,
    ) -> Result<(), Error> {
        let paths = unpacking.sections.manifest.paths.iter();
        for (number, (path, (new, name))) in paths.zip(new.iter().zip(names)).enumerate() {
            let (Some(new), Some(name)) = (new, name) else { continue };
            let mut finish = || {
                if let Some(hashes) = &self.hashes {
                    match rustix::fs::symlinkat(path.nar_hash.to_string(), hashes, &**name) {
                        // A start wrote it and was interrupted before the next step, or ran without
                        // the lock.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                finish(number, new, name)
            };
            finish().map_err(Error::file("publish", &**name))?;
        }
        Ok(())
    }
}

/// Gives new store paths their names.
type Finish = fn(
    &StoreDir,
    unpacking: &Unpacking<'_>,
    new: &[Option<CString>],
    names: &[Option<CString>],
) -> Result<(), Error>;

fn relocated(cache: &Cache, manifest: &Manifest) -> Result<StoreDir, Error> {
    let unfit = |reason| Error::unusable(&*cache.path, Unusable::Unfit(reason));
    let name = |path: &format::PackedPath| name::relocated_name(&cache.path, path.key, &path.path);
    Ok(StoreDir {
        directory: rustix::io::fcntl_dupfd_cloexec(&cache.directory, 3)
            .map_err(Error::file("open", &*cache.path))?,
        hashes: None,
        names: manifest
            .paths
            .iter()
            .map(|path| name(path).map(Some))
            .collect::<Result<_, _>>()
            .map_err(unfit)?,
        rewriter: Some(Rewriter::new(&cache.path, manifest).map_err(unfit)?),
    })
}

/// Opens the first store directory in which no name has other contents.
fn as_is(cache: &Cache, sections: &Sections) -> Result<(Location, StoreDir), Error> {
    let stores = cache.subdirectory(STORES, PRIVATE)?;
    for number in 0..STORE_LIMIT {
        let (directory, hashes) = open_pair(&stores, number)?;
        if is_compatible(&hashes, &sections.manifest)? {
            let names = sections.names(None);
            let store = StoreDir { directory, hashes: Some(hashes), names, rewriter: None };
            return Ok((Location::Store(number), store));
        }
    }
    Err(Error::unusable(&*cache.path, Unusable::TooManyStores))
}

/// Opens store directory `number`, which must exist.
pub(super) fn open(stores: &OwnedFd, number: u32) -> Result<OwnedFd, Errno> {
    file::open_directory(stores, &c_string(number.to_string()))
}

/// Opens store directory `number`, and the directory with the NAR hashes of its store paths.
fn open_pair(stores: &OwnedFd, number: u32) -> Result<(OwnedFd, OwnedFd), Error> {
    let open = |name: String, permissions| {
        let name = c_string(name);
        file::ensure_directory(stores, &name, permissions).map_err(Error::file("create", &*name))
    };
    let hashes = alloc::format!("{number}.contents");
    Ok((open(number.to_string(), PUBLIC)?, open(hashes, PRIVATE)?))
}

/// Whether no existing store path has another NAR hash than in `manifest`.
fn is_compatible(hashes: &OwnedFd, manifest: &Manifest) -> Result<bool, Error> {
    for path in &manifest.paths {
        let name = c_string(path.path.to_string());
        match rustix::fs::readlinkat(hashes, &name, Vec::new()) {
            Ok(hash) if hash.to_bytes() == path.nar_hash.to_string().as_bytes() => {}
            Ok(_) => return Ok(false),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::file("read", &*name)(errno)),
        }
    }
    Ok(true)
}
