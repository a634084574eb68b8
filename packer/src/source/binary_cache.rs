//! Binary caches of Nix: who has a store path, who signed it, and its NAR.
//!
//! The order is what makes it safe: the cache is one for `/nix/store`; its narinfo is the store path's and is signed; only
//! then its NAR is fetched, no more of it than was signed, and its hash is compared before it is used.

mod compression;
pub(crate) mod export;
mod fetch;
mod info;
pub(crate) mod list;
pub(crate) mod narinfo;
mod place;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use format::{STORE_DIR, StorePath};

use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::Progress;
use crate::show;
use crate::trust::content_address::{self, Held, Naming};
use crate::trust::{TrustedKeys, fingerprint};
use narinfo::NarInfo;
use place::{CONNECTIONS, Place, Trouble};

/// The most bytes of a narinfo: room for more than ten thousand references.
const NARINFO_LEN: u64 = 4 << 20;

/// The most bytes of `nix-cache-info`.
const INFO_LEN: u64 = 64 << 10;

/// What to do with store paths that no trusted key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    Required,
    /// They are taken, and counted.
    NotRequired,
}

/// Binary caches, in the order in which they are asked.
pub(crate) struct Caches {
    all: Vec<Cache>,
    keys: TrustedKeys,
    signatures: Signatures,
}

struct Cache {
    place: Place,
    name: String,
    /// Whether it gave up answering: it is not asked again.
    is_down: AtomicBool,
}

/// A store path that a cache has.
pub(crate) struct Found {
    /// The number of the cache.
    cache: usize,
    pub(crate) info: NarInfo,
    /// Whether a trusted key signed it, or its name follows from its content.
    pub(crate) is_vouched: bool,
}

/// What the caches have of a closure.
pub(crate) struct Walk {
    pub(crate) found: BTreeMap<StorePath, Found>,
    /// Store paths that no cache has.
    pub(crate) absent: Vec<StorePath>,
}

impl Caches {
    /// Opens caches, and leaves out with a warning those that do not answer.
    ///
    /// # Errors
    ///
    /// If none of them answers, or one is not for `/nix/store`.
    pub(crate) fn open(
        names: &[String],
        keys: TrustedKeys,
        signatures: Signatures,
        silence: Duration,
        progress: &Progress,
    ) -> Result<Caches> {
        let mut caches = Caches { all: Vec::new(), keys, signatures };
        let mut first = None;
        for name in names {
            let place = Place::parse(name, silence)?;
            let cache = Cache { name: place.name(), place, is_down: AtomicBool::new(false) };
            let no_cache = |reason| Error::NoBinaryCache { cache: cache.name.clone(), reason };
            match cache.description() {
                Ok(Some(text)) => info::check(&text).map_err(no_cache)?,
                Ok(None) => return Err(no_cache("it has no nix-cache-info".to_owned())),
                Err(trouble) => {
                    first = first.or(Some(cache.give_up(trouble, progress)));
                }
            }
            caches.all.push(cache);
        }
        match first {
            Some(error) if caches.all.iter().all(Cache::is_down) => Err(error),
            _ => Ok(caches),
        }
    }

    /// The caches' names, for messages.
    pub(crate) fn names(&self) -> String {
        self.all.iter().map(|cache| cache.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Finds store paths and all that they refer to.
    ///
    /// # Errors
    ///
    /// If a cache says of one what cannot be true, or what nobody signed, and no other cache has it.
    pub(crate) fn walk(&self, roots: &[StorePath], progress: &Progress) -> Result<Walk> {
        let mut walk = Walk { found: BTreeMap::new(), absent: Vec::new() };
        let mut seen: BTreeSet<StorePath> = roots.iter().cloned().collect();
        let mut wave: Vec<StorePath> = seen.iter().cloned().collect();
        while !wave.is_empty() {
            let mut next = Vec::new();
            let mut paths = wave.iter();
            let ask = |number: usize| self.find(&wave[number], 0, progress);
            parallel::in_order(connections(), wave.len(), ask, |found| {
                let Some(path) = paths.next() else { return Ok(()) };
                let Some(found) = found else {
                    walk.absent.push(path.clone());
                    return Ok(());
                };
                for reference in &found.info.known.references {
                    if seen.insert(reference.clone()) {
                        next.push(reference.clone());
                    }
                }
                walk.found.insert(path.clone(), found);
                Ok(())
            })?;
            wave = next;
        }
        Ok(walk)
    }

    /// Finds a store path in the first cache that has it, from the cache with a number on.
    fn find(&self, path: &StorePath, from: usize, progress: &Progress) -> Result<Option<Found>> {
        let mut first = None;
        for (number, cache) in self.all.iter().enumerate().skip(from) {
            if cache.is_down() {
                continue;
            }
            match cache.narinfo(path, progress) {
                Ok(None) => {}
                Ok(Some(info)) => match self.judge(info, cache) {
                    Ok((info, is_vouched)) => {
                        return Ok(Some(Found { cache: number, info, is_vouched }));
                    }
                    Err(error) => first = first.or(Some(error)),
                },
                Err(error) => first = first.or(Some(error)),
            }
        }
        match first {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Finds out who vouches for a narinfo.
    ///
    /// A content address is compared with the name as if the content were as it says; [`Caches::fetch`] compares that.
    fn judge(&self, info: NarInfo, cache: &Cache) -> Result<(NarInfo, bool)> {
        let known = &info.known;
        let address = known.content_address.as_str();
        let held = Held { nar: known.nar_hash, file: content_address::file(address) };
        let naming = content_address::check(&info.path, address, known.references.iter(), &held);
        if naming == Naming::Differs {
            return Err(cache.lie(&info.path, "its content address makes another name".to_owned()));
        }
        let text = fingerprint(&info.path, &known.nar_hash, known.nar_len, known.references.iter());
        let is_signed = self.keys.signer(&known.signatures, &text).is_some();
        let is_vouched = is_signed || naming == Naming::Fits;
        if !is_vouched && self.signatures == Signatures::Required {
            let signers: Vec<String> =
                known.signatures.iter().map(|signature| show::text(&signature.key)).collect();
            return Err(Error::Untrusted {
                path: format!("{STORE_DIR}/{}", info.path),
                cache: cache.name.clone(),
                signers: if signers.is_empty() { "nobody".into() } else { signers.join(", ") },
            });
        }
        Ok((info, is_vouched))
    }
}

/// The number of requests at once.
fn connections() -> NonZeroUsize {
    NonZeroUsize::new(CONNECTIONS).unwrap_or(NonZeroUsize::MIN)
}

impl Cache {
    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Leaves the cache out from now on, if it gives nothing else either; makes the error.
    fn give_up(&self, trouble: Trouble, progress: &Progress) -> Error {
        if !trouble.is_of_file && !self.is_down.swap(true, Ordering::Relaxed) {
            progress
                .say(&format!("warning: {} is not asked any more: {}", self.name, trouble.reason));
        }
        Error::CacheTrouble { cache: self.name.clone(), reason: trouble.reason }
    }

    /// Reads what the cache says of itself; a file of exported store paths says nothing.
    fn description(&self) -> std::result::Result<Option<Vec<u8>>, Trouble> {
        match self.place {
            Place::Export(_) => Ok(Some(Vec::new())),
            _ => place::read(&self.place, "nix-cache-info", INFO_LEN),
        }
    }

    /// Asks for a narinfo; `None` if the cache does not have the store path.
    fn narinfo(&self, path: &StorePath, progress: &Progress) -> Result<Option<NarInfo>> {
        if let Place::Export(export) = &self.place {
            return Ok(export.narinfo(path));
        }
        let hash = path.hash().text();
        let name = format!("{}.narinfo", String::from_utf8_lossy(&hash));
        let text = place::read(&self.place, &name, NARINFO_LEN);
        let text = text.map_err(|trouble| self.give_up(trouble, progress))?;
        let Some(text) = text else { return Ok(None) };
        progress.advance(text.len());
        let info = narinfo::parse(&text).map_err(|reason| self.lie(path, reason))?;
        if info.path != *path {
            return Err(self.lie(path, format!("it is for {STORE_DIR}/{}", info.path)));
        }
        Ok(Some(info))
    }

    fn lie(&self, path: &StorePath, reason: String) -> Error {
        let (cache, path) = (self.name.clone(), format!("{STORE_DIR}/{path}"));
        Error::CacheLie { cache, path, reason }
    }
}
