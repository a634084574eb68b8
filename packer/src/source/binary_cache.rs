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

use format::{STORE_DIR, StorePath, limits};

use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::Progress;
use crate::show;
use crate::trust::content_address::{self, Naming};
use crate::trust::{TrustedKeys, fingerprint};
use narinfo::NarInfo;
use place::{CONNECTIONS, Cause, Place, Trouble};

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
    /// Store paths that no cache was asked for.
    pub(crate) valid: BTreeSet<StorePath>,
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
        let mut down = Vec::new();
        for name in names {
            let place = Place::parse(name, silence)?;
            let cache = Cache { name: place.name(), place, is_down: AtomicBool::new(false) };
            let no_cache = |reason| Error::NoBinaryCache { cache: cache.name.clone(), reason };
            match cache.description() {
                Ok(Some(text)) => info::check(&text).map_err(no_cache)?,
                Ok(None) => return Err(no_cache("it has no nix-cache-info".to_owned())),
                Err(trouble) if trouble.cause == Cause::File => {
                    return Err(no_cache(trouble.reason));
                }
                Err(trouble) => {
                    cache.is_down.store(true, Ordering::Relaxed);
                    down.push(cache.error(trouble));
                }
            }
            caches.all.push(cache);
        }
        if caches.all.iter().all(Cache::is_down)
            && let Some(first) = down.drain(..).next()
        {
            return Err(first);
        }
        down.iter().for_each(|error| say_down(error, progress));
        Ok(caches)
    }

    /// The caches' names, for messages.
    pub(crate) fn names(&self) -> String {
        let names = |is_down| {
            let caches = self.all.iter().filter(move |cache| cache.is_down() == is_down);
            caches.map(|cache| cache.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        match (names(false), names(true)) {
            (up, down) if down.is_empty() => up,
            (up, down) => format!("{up}, nor could {down} be asked"),
        }
    }

    /// Leaves a cache out from now on, if it gives nothing else either; makes the error.
    fn give_up(&self, cache: &Cache, trouble: Trouble, progress: &Progress) -> Error {
        let is_of_file = trouble.cause == Cause::File;
        let error = cache.error(trouble);
        if !is_of_file
            && !cache.is_down.swap(true, Ordering::Relaxed)
            && !self.all.iter().all(Cache::is_down)
        {
            say_down(&error, progress);
        }
        error
    }

    /// Finds store paths and all that they refer to. It asks for none of those that `look` finds.
    ///
    /// # Errors
    ///
    /// If a cache says of one what cannot be true, or what nobody signed, and no other cache has it; or if there are more
    /// store paths than a bundle can have.
    pub(crate) fn walk(
        &self,
        roots: &[StorePath],
        look: impl Fn(&[StorePath]) -> Result<BTreeSet<StorePath>>,
        progress: &Progress,
    ) -> Result<Walk> {
        let mut walk = Walk { found: BTreeMap::new(), absent: Vec::new(), valid: BTreeSet::new() };
        let mut seen: BTreeSet<StorePath> = roots.iter().cloned().collect();
        let mut wave: Vec<StorePath> = seen.iter().cloned().collect();
        while !wave.is_empty() {
            let valid = look(&wave)?;
            wave.retain(|path| !valid.contains(path));
            walk.valid.extend(valid);
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
                if seen.len() > limits::STORE_PATHS as usize {
                    return Err(Error::EndlessClosure { caches: self.names() });
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
            match self.narinfo(cache, path, progress) {
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

    /// Asks a cache for a narinfo; `None` if it does not have the store path.
    fn narinfo(
        &self,
        cache: &Cache,
        path: &StorePath,
        progress: &Progress,
    ) -> Result<Option<NarInfo>> {
        if let Place::Export(export) = &cache.place {
            return Ok(export.narinfo(path));
        }
        let hash = path.hash().text();
        let name = format!("{}.narinfo", String::from_utf8_lossy(&hash));
        let text = place::read(&cache.place, &name, NARINFO_LEN);
        let text = text.map_err(|trouble| match trouble.cause {
            Cause::File => cache.lie(path, trouble.reason),
            _ => self.give_up(cache, trouble, progress),
        })?;
        let Some(text) = text else { return Ok(None) };
        progress.advance(text.len());
        let info = narinfo::parse(&text).map_err(|reason| cache.lie(path, reason))?;
        if info.path != *path {
            return Err(cache.lie(path, format!("it is for {STORE_DIR}/{}", info.path)));
        }
        Ok(Some(info))
    }

    /// Finds out who vouches for a narinfo.
    ///
    /// A content address is compared with the name as if the content were as it says; [`Caches::fetch`] compares that.
    fn judge(&self, info: NarInfo, cache: &Cache) -> Result<(NarInfo, bool)> {
        let known = &info.known;
        let (address, references) = (&known.content_address, known.references.iter());
        let naming = content_address::claimed(&info.path, address, references, known.nar_hash);
        if naming == Naming::Differs {
            return Err(cache.lie(&info.path, "its content address makes another name".to_owned()));
        }
        let text = fingerprint(&info.path, &known.nar_hash, known.nar_len, known.references.iter());
        let is_signed = self.keys.signer(&known.signatures, &text).is_some();
        let is_vouched = is_signed || naming == Naming::Fits;
        if !is_vouched && self.signatures == Signatures::Required {
            if let Some(signature) = known.signatures.iter().find(|it| self.keys.has(&it.key)) {
                let key = show::text(&signature.key);
                let reason = format!("its signature by {key} is for something else");
                return Err(cache.lie(&info.path, reason));
            }
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

fn say_down(error: &Error, progress: &Progress) {
    progress.say(&format!("warning: {error}: it is left out\n{LEFT_OUT}"));
}

/// The hint for a cache that does not answer while others do.
const LEFT_OUT: &str = "hint: the other caches of --from are asked; check its URL and the network if they lack something";

/// The number of requests at once.
fn connections() -> NonZeroUsize {
    NonZeroUsize::new(CONNECTIONS).unwrap_or(NonZeroUsize::MIN)
}

impl Cache {
    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    fn error(&self, trouble: Trouble) -> Error {
        let (cache, reason) = (self.name.clone(), trouble.reason);
        match trouble.cause {
            Cause::File | Cause::Server => Error::CacheTrouble { cache, reason },
            Cause::Tls => Error::Tls { registry: cache, reason },
            Cause::NoPassword => Error::CacheAsks { cache },
            Cause::WrongPassword => Error::CacheDenies { cache },
        }
    }

    /// Reads what the cache says of itself; a file of exported store paths says nothing.
    fn description(&self) -> std::result::Result<Option<Vec<u8>>, Trouble> {
        match self.place {
            Place::Export(_) => Ok(Some(Vec::new())),
            _ => place::read(&self.place, "nix-cache-info", INFO_LEN),
        }
    }

    fn lie(&self, path: &StorePath, reason: String) -> Error {
        let (cache, path) = (self.name.clone(), format!("{STORE_DIR}/{path}"));
        Error::CacheLie { cache, path, reason }
    }
}
