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

use super::directory::{Cache, PRIVATE, PUBLIC, STORES, c_string, is_ours};
use super::record::{Form, Location, State};
use super::{name, remove};
use crate::error::{Error, Shown, Size, Unusable};
use crate::payload::{Payload, Sections};
use crate::system::file;
use crate::system::log::Log;
use crate::unpack::node::seal;
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
    /// The name of each of the manifest's store paths, in order.
    pub(super) names: Vec<CString>,
    rewriter: Option<Rewriter>,
}

/// The source for unpacking store paths, and the directory for unfinished ones.
#[derive(Clone, Copy)]
pub(crate) struct Unpacking<'a> {
    pub(crate) payload: &'a Payload<'a>,
    pub(crate) sections: &'a Sections,
    /// The directory where they are unpacked. It is on the same file system as the store directory.
    pub(crate) work: &'a OwnedFd,
    /// The cache's path for messages.
    pub(crate) place: &'a [u8],
    pub(crate) log: Log,
}

impl StoreDir {
    /// Opens the store directory for a manifest's store paths.
    pub(super) fn open(
        cache: &Cache,
        manifest: &Manifest,
        form: Form,
    ) -> Result<(Location, StoreDir), Error> {
        match form {
            Form::Relocated => Ok((Location::Relocated, relocated(cache, manifest)?)),
            Form::AsIs => as_is(cache, manifest),
        }
    }

    /// Returns a store directory outside a cache: the host's own store, or the one of
    /// `PACKED=extract`.
    pub(crate) fn outside(directory: OwnedFd, manifest: &Manifest) -> StoreDir {
        let names = names(manifest);
        StoreDir { directory, hashes: None, names, rewriter: None }
    }

    /// Unpacks the `missing` store paths to the work directory, and moves them to their places when
    /// all are whole. It syncs them first if `state` is settled.
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
        self.unpack_aside(unpacking, missing, state)?;
        self.publish(unpacking, missing, file::rename_new)
    }

    /// Unpacks the `altered` store paths again and exchanges them with the old ones, so that a
    /// running program finds all names at any time. Afterwards all store paths are on the disk.
    pub(super) fn replace(
        &self,
        unpacking: &Unpacking<'_>,
        altered: &[Option<CString>],
    ) -> Result<(), Error> {
        if altered.iter().any(Option::is_some) {
            self.unpack_aside(unpacking, altered, State::Settled)?;
            self.publish(unpacking, altered, remove::exchange)?;
        }
        // Sync the other store paths too: comparing may have read them from the page cache.
        rustix::fs::syncfs(unpacking.work).map_err(Error::file("sync", unpacking.place))
    }

    fn unpack_aside(
        &self,
        unpacking: &Unpacking<'_>,
        missing: &[Option<CString>],
        state: State,
    ) -> Result<(), Error> {
        let Unpacking { payload, sections, work, place, log } = *unpacking;
        let index = sections.index()?;
        let needed = room(&index, missing);
        log.debug(format_args!(
            "unpacking {} store paths, {} to {}",
            missing.iter().flatten().count(),
            Size(needed.bytes),
            Shown::from(place),
        ));
        let destination = Destination {
            directory: work.as_fd(),
            names: missing,
            rewriter: self.rewriter.as_ref(),
        };
        let sync = || match state {
            State::Settled => rustix::fs::syncfs(work).map_err(Error::file("sync", place)),
            State::Written(_) => Ok(()),
        };
        unpack::unpack(payload, sections, &index, &destination, &Progress::start())
            .and_then(|()| sync())
            .map_err(|error| error.out_of_space(|| Some(needed), place))
    }

    /// Returns the names of the store paths that do not exist.
    pub(crate) fn missing(&self) -> Result<Vec<Option<CString>>, Error> {
        let name_if_missing = |name: &CString| match rustix::fs::statat(
            &self.directory,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) if is_ours(&stat) => Ok(None),
            // Another user put it there while the cache was writable by others, and can still
            // change it.
            Ok(stat) => Err(Error::unusable(&**name, Unusable::ForeignOwner(stat.st_uid))),
            Err(Errno::NOENT) => Ok(Some(name.clone())),
            Err(errno) => Err(Error::file("stat", &**name)(errno)),
        };
        self.names.iter().map(name_if_missing).collect()
    }

    /// Returns the names of the store paths that are not whole or do not exist.
    pub(super) fn altered(&self, sections: &Sections) -> Result<Vec<Option<CString>>, Error> {
        let mut names: Vec<_> = self.names.iter().cloned().map(Some).collect();
        let (directory, rewriter) = (self.directory.as_fd(), self.rewriter.as_ref());
        let destination = Destination { directory, names: &names, rewriter };
        let whole = unpack::verify(sections, &sections.index()?, &destination)?;
        for (name, is_whole) in names.iter_mut().zip(whole) {
            name.take_if(|_| is_whole);
        }
        Ok(names)
    }

    /// Checks the store paths that exist but that no record lists. Moves those that are not whole
    /// aside and adds them to `missing`.
    ///
    /// Returns whether there were any to check.
    pub(super) fn check(
        &self,
        unpacking: &Unpacking<'_>,
        known: &BTreeMap<CString, State>,
        missing: &mut [Option<CString>],
    ) -> Result<bool, Error> {
        let Unpacking { sections, work, log, .. } = *unpacking;
        let name_if_doubtful = |(name, missing): (&CString, &Option<CString>)| {
            (missing.is_none() && !known.contains_key(name)).then(|| name.clone())
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
                remove::move_aside(&self.directory, &name, work)
                    .map_err(Error::file("remove", &*name))?;
                *missing = Some(name);
            }
        }
        Ok(true)
    }

    /// Moves whole store paths from `work` to their places.
    ///
    /// It writes a store path's NAR hash before it moves the store path, so that the hash of an
    /// existing one is always known.
    fn publish(
        &self,
        unpacking: &Unpacking<'_>,
        names: &[Option<CString>],
        rename: Rename,
    ) -> Result<(), Error> {
        let Unpacking { sections, work, .. } = *unpacking;
        let publish = |name: &CStr, hash: &str| {
            if let Some(hashes) = &self.hashes {
                match rustix::fs::symlinkat(hash, hashes, name) {
                    // A start wrote it and was interrupted before the next step, or ran without the
                    // lock.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            match rename(work, name, &self.directory) {
                // Another start, without the lock, was faster. Its store path has the same content.
                Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(errno) => return Err(errno),
            }
            seal(&self.directory, name)
        };
        for (path, name) in sections.manifest.paths.iter().zip(names) {
            if let Some(name) = name {
                publish(name, &path.nar_hash.to_string())
                    .map_err(Error::file("publish", &**name))?;
            }
        }
        Ok(())
    }
}

/// A function that moves a name from one directory to another.
type Rename = fn(&OwnedFd, &CStr, &OwnedFd) -> Result<(), Errno>;

fn relocated(cache: &Cache, manifest: &Manifest) -> Result<StoreDir, Error> {
    let unfit = |reason| Error::unusable(&*cache.path, Unusable::Unfit(reason));
    let name = |path: &format::PackedPath| name::relocated_name(&cache.path, path.key, &path.path);
    Ok(StoreDir {
        directory: rustix::io::fcntl_dupfd_cloexec(&cache.directory, 3)
            .map_err(Error::file("open", &*cache.path))?,
        hashes: None,
        names: manifest.paths.iter().map(name).collect::<Result<_, _>>().map_err(unfit)?,
        rewriter: Some(Rewriter::new(&cache.path, manifest).map_err(unfit)?),
    })
}

fn names(manifest: &Manifest) -> Vec<CString> {
    manifest.paths.iter().map(|path| c_string(path.path.to_string())).collect()
}

/// Opens the first store directory in which no name has other contents.
fn as_is(cache: &Cache, manifest: &Manifest) -> Result<(Location, StoreDir), Error> {
    let stores = cache.subdirectory(STORES, PRIVATE)?;
    for number in 0..STORE_LIMIT {
        let (directory, hashes) = open_pair(&stores, number)?;
        if is_compatible(&hashes, manifest)? {
            let names = names(manifest);
            let store = StoreDir { directory, hashes: Some(hashes), names, rewriter: None };
            return Ok((Location::Store(number), store));
        }
    }
    Err(Error::unusable(&*cache.path, Unusable::TooManyStores))
}

/// Opens store directory `number`, and the directory with the NAR hashes of its store paths.
pub(super) fn open_pair(stores: &OwnedFd, number: u32) -> Result<(OwnedFd, OwnedFd), Error> {
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
