//! Where store paths are, and how they get there.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;

use format::Manifest;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::record::State;
use super::{Cache, PRIVATE, PUBLIC, STORES, c_string, remove};
use crate::error::{Error, Megabytes, Shown};
use crate::file;
use crate::log::Log;
use crate::payload::{Contents, Payload};
use crate::progress::Progress;
use crate::relocation::{self, Relocation};
use crate::sys;
use crate::unpack::{self, Destination};

/// Stores there can be: so many different contents for one name are a mistake.
const STORE_LIMIT: u32 = 64;

/// The form in which store paths are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are, to appear at `/nix/store`.
    AsIs,
    /// Rewritten to refer to the cache.
    Relocated,
}

/// Where a bundle's store paths are in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In the store with this number.
    Store(u32),
    /// In the cache's own directory, relocated.
    Relocated,
}

impl Location {
    /// The form of what is there.
    pub(super) fn form(self) -> Form {
        match self {
            Location::Store(_) => Form::AsIs,
            Location::Relocated => Form::Relocated,
        }
    }
}

/// A directory of store paths, and what those of one bundle are called in it.
pub(crate) struct Store {
    directory: OwnedFd,
    /// Says what each store path holds; relocated ones have it in their names.
    contents: Option<OwnedFd>,
    /// The name of each of the manifest's store paths.
    pub(super) names: Vec<CString>,
    pub(super) relocation: Option<Relocation>,
}

impl Store {
    /// Opens the store that can hold a manifest's store paths.
    pub(super) fn open(
        cache: &Cache,
        manifest: &Manifest,
        form: Form,
    ) -> Result<(Location, Store), Error> {
        match form {
            Form::Relocated => Ok((Location::Relocated, relocated(cache, manifest)?)),
            Form::AsIs => as_is(cache, manifest),
        }
    }

    /// The host's own store, with its own names.
    pub(crate) fn host(directory: OwnedFd, manifest: &Manifest) -> Store {
        let names = names(manifest);
        Store { directory, contents: None, names, relocation: None }
    }

    /// Unpacks `missing` store paths to `work`, and moves them to their places once all are whole; synced first,
    /// if they are to be settled.
    ///
    /// `place` is for messages.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged or a file cannot be written.
    pub(crate) fn fill(
        &self,
        payload: &Payload<'_>,
        contents: &Contents,
        missing: &[Option<CString>],
        state: State,
        (work, place): (&OwnedFd, &[u8]),
        log: Log,
    ) -> Result<(), Error> {
        self.unpack(payload, contents, missing, state, (work, place), log)?;
        self.publish(contents, missing, work, file::rename_new)
    }

    /// Unpacks `altered` store paths anew and puts them in the place of what is there, on the disk for good: a
    /// program that runs from there finds all names at any time.
    pub(super) fn replace(
        &self,
        payload: &Payload<'_>,
        contents: &Contents,
        altered: &[Option<CString>],
        (work, place): (&OwnedFd, &[u8]),
        log: Log,
    ) -> Result<(), Error> {
        if altered.iter().any(Option::is_some) {
            self.unpack(payload, contents, altered, State::Settled, (work, place), log)?;
            self.publish(contents, altered, work, remove::exchange)?;
        }
        // What is whole can have been read from memory.
        rustix::fs::syncfs(work).map_err(Error::file("sync", place))
    }

    /// Unpacks store paths to `work`.
    fn unpack(
        &self,
        payload: &Payload<'_>,
        contents: &Contents,
        missing: &[Option<CString>],
        state: State,
        (work, place): (&OwnedFd, &[u8]),
        log: Log,
    ) -> Result<(), Error> {
        let index = contents.index()?;
        let needed = unpack::room(&index, missing);
        log.debug(format_args!(
            "unpacking {} store paths, {} to {}",
            missing.iter().flatten().count(),
            Megabytes(needed.bytes),
            Shown::from(place),
        ));
        let destination = Destination {
            directory: work.as_fd(),
            names: missing,
            relocation: self.relocation.as_ref(),
        };
        let sync = || match state {
            State::Settled => rustix::fs::syncfs(work).map_err(Error::file("sync", place)),
            State::Written(_) => Ok(()),
        };
        unpack::unpack(payload, contents, &index, &destination, &Progress::start())
            .and_then(|()| sync())
            .map_err(|error| error.out_of_space(|| Some(needed), place))
    }

    /// The names of the store paths that are not there.
    pub(crate) fn missing(&self) -> Result<Vec<Option<CString>>, Error> {
        let name_if_missing = |name: &CString| match rustix::fs::statat(
            &self.directory,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) if stat.st_uid == sys::user() => Ok(None),
            // It was put there when others could still write to the cache, and they could change it.
            Ok(_) => Err(Error::file("use", &**name)(Errno::PERM)),
            Err(Errno::NOENT) => Ok(Some(name.clone())),
            Err(errno) => Err(Error::file("stat", &**name)(errno)),
        };
        self.names.iter().map(name_if_missing).collect()
    }

    /// The names of the store paths that are not whole, or not there.
    pub(super) fn altered(&self, contents: &Contents) -> Result<Vec<Option<CString>>, Error> {
        let mut names: Vec<_> = self.names.iter().cloned().map(Some).collect();
        let (directory, relocation) = (self.directory.as_fd(), self.relocation.as_ref());
        let destination = Destination { directory, names: &names, relocation };
        let whole = unpack::verify(contents, &contents.index()?, &destination)?;
        for (name, is_whole) in names.iter_mut().zip(whole) {
            name.take_if(|_| is_whole);
        }
        Ok(names)
    }

    /// Checks the store paths that are there but that no record vouches for. What is not whole is moved to
    /// `work`, and is missing.
    ///
    /// Returns whether there were any to check.
    pub(super) fn check(
        &self,
        contents: &Contents,
        known: &BTreeMap<CString, State>,
        missing: &mut [Option<CString>],
        work: &OwnedFd,
        log: Log,
    ) -> Result<bool, Error> {
        let is_doubtful = |(name, missing): (&CString, &Option<CString>)| {
            (missing.is_none() && !known.contains_key(name)).then(|| name.clone())
        };
        let names: Vec<_> = self.names.iter().zip(&*missing).map(is_doubtful).collect();
        let count = names.iter().flatten().count();
        if count == 0 {
            return Ok(false);
        }
        log.debug(format_args!("checking {count} store paths"));
        let relocation = self.relocation.as_ref();
        let destination =
            Destination { directory: self.directory.as_fd(), names: &names, relocation };
        let whole = unpack::verify(contents, &contents.index()?, &destination)?;
        for ((name, is_whole), missing) in names.into_iter().zip(whole).zip(missing) {
            if let (Some(name), false) = (name, is_whole) {
                log.debug(format_args!("{} is not whole", Shown::from(&*name)));
                remove::take(&self.directory, &name, work)
                    .map_err(Error::file("remove", &*name))?;
                *missing = Some(name);
            }
        }
        Ok(true)
    }

    /// Moves whole store paths from `work` to their places.
    ///
    /// What one holds is written down first: so nothing is ever at its place of which that is not known.
    fn publish(
        &self,
        contents: &Contents,
        names: &[Option<CString>],
        work: &OwnedFd,
        rename: Rename,
    ) -> Result<(), Error> {
        let publish = |name: &CStr, hash: &str| {
            if let Some(contents) = &self.contents {
                match rustix::fs::symlinkat(hash, contents, name) {
                    // Written by a start that ended before its next step, or without our lock.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            match rename(work, name, &self.directory) {
                // Somebody without our lock was faster; theirs is as good.
                Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(errno) => return Err(errno),
            }
            unpack::seal(&self.directory, name)
        };
        for (path, name) in contents.manifest.paths.iter().zip(names) {
            if let Some(name) = name {
                publish(name, &path.nar_hash.to_string())
                    .map_err(Error::file("publish", &**name))?;
            }
        }
        Ok(())
    }
}

/// Moves a name from one directory to another.
type Rename = fn(&OwnedFd, &CStr, &OwnedFd) -> Result<(), Errno>;

fn relocated(cache: &Cache, manifest: &Manifest) -> Result<Store, Error> {
    let too_long = |_| Error::file("relocate to", &*cache.path)(Errno::NAMETOOLONG);
    let name = |path: &format::PackedPath| relocation::name(&cache.path, path.key, &path.path);
    Ok(Store {
        directory: rustix::io::fcntl_dupfd_cloexec(&cache.directory, 3)
            .map_err(Error::file("open", &*cache.path))?,
        contents: None,
        names: manifest.paths.iter().map(name).collect::<Result<_, _>>().map_err(too_long)?,
        relocation: Some(Relocation::new(&cache.path, manifest).map_err(too_long)?),
    })
}

fn names(manifest: &Manifest) -> Vec<CString> {
    manifest.paths.iter().map(|path| c_string(path.path.to_string())).collect()
}

/// Opens the first store in which no name stands for other contents.
fn as_is(cache: &Cache, manifest: &Manifest) -> Result<(Location, Store), Error> {
    let stores = cache.subdirectory(STORES, PRIVATE)?;
    for number in 0..STORE_LIMIT {
        let (directory, contents) = open_pair(&stores, number)?;
        if fits(&contents, manifest)? {
            let names = names(manifest);
            let store = Store { directory, contents: Some(contents), names, relocation: None };
            return Ok((Location::Store(number), store));
        }
    }
    Err(Error::file("create", STORES)(Errno::MLINK))
}

/// Opens store `number` and the directory that says what it holds.
pub(super) fn open_pair(stores: &OwnedFd, number: u32) -> Result<(OwnedFd, OwnedFd), Error> {
    let open = |name: String, mode| {
        let name = c_string(name);
        file::ensure_directory(stores, &name, mode).map_err(Error::file("create", &*name))
    };
    let contents = alloc::format!("{number}.contents");
    Ok((open(number.to_string(), PUBLIC)?, open(contents, PRIVATE)?))
}

/// Whether every store path that is there has the contents that `manifest` gives.
fn fits(contents: &OwnedFd, manifest: &Manifest) -> Result<bool, Error> {
    for path in &manifest.paths {
        let name = c_string(path.path.to_string());
        match rustix::fs::readlinkat(contents, &name, Vec::new()) {
            Ok(hash) if hash.to_bytes() == path.nar_hash.to_string().as_bytes() => {}
            Ok(_) => return Ok(false),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::file("read", &*name)(errno)),
        }
    }
    Ok(true)
}
