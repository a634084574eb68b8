//! Finds a closure with binary caches, and fetches what the store does not have.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use format::{STORE_DIR, StorePath};

use super::{Ask, Closure, nix, store_path};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::binary_cache::{Caches, Walk};
use crate::source::kept::{Nars, Place};
use crate::source::path_info::{self, KnownPaths};
use crate::source::store::{Origin, Store};

/// What came from caches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The store paths, with what their caches say of them.
    pub(crate) paths: KnownPaths,
    /// Those for which nobody vouches.
    pub(crate) unvouched: usize,
}

impl Closure {
    /// Finds the closure of `arguments`, and adds to the store what it does not have.
    ///
    /// What Nix's database says is valid is read from the store, and so is what is there with `--store-root`; all else is
    /// fetched. If that is all, no cache is asked.
    ///
    /// # Errors
    ///
    /// If an argument does not lead to a store path, neither the store nor a cache has one, or it cannot be fetched.
    pub(crate) fn fetch(
        store: &mut Store,
        arguments: &[PathBuf],
        caches: impl FnOnce() -> Result<Caches>,
        place: impl FnOnce() -> Result<Place>,
        ask: Ask,
        threads: NonZeroUsize,
        progress: &Progress,
    ) -> Result<(Closure, Fetched)> {
        let mut roots = Vec::new();
        for argument in arguments {
            let root = store_path(store, argument)?;
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        let valid = present(store, &roots)?;
        if roots.iter().all(|root| valid.contains(root)) {
            let closure = Closure::find(store, arguments, None, ask, threads, progress)?;
            return Ok((closure, Fetched::default()));
        }

        // What the caches have; what they do not have may be here.
        let caches = caches()?;
        progress.start("asking", None);
        let Walk { mut found, absent } = caches.walk(&roots, progress)?;
        let seen: Vec<StorePath> = found.keys().chain(&absent).cloned().collect();
        let valid = present(store, &seen)?;
        if let Some(path) = absent.iter().find(|path| !valid.contains(path)) {
            let path = format!("{STORE_DIR}/{path}");
            return Err(Error::NotCached { path, caches: caches.names() });
        }
        let valid: Vec<StorePath> = valid.into_iter().collect();
        let mut local = Vec::new();
        let mut known = KnownPaths::new();
        for some in valid.chunks(nix::AT_ONCE) {
            local.extend(super::requisites(store, some, threads, progress)?);
            if (ask, store.origin()) == (Ask::PathInfo, Origin::Host) {
                known.extend(path_info::ask(some, progress));
            }
        }

        for path in &local {
            found.remove(path);
        }
        let unvouched = found.values().filter(|found| !found.is_vouched).count();
        let fetched: KnownPaths =
            found.iter().map(|(path, found)| (path.clone(), found.info.known.clone())).collect();
        if ask == Ask::PathInfo {
            known.extend(fetched.clone());
        }
        let mut paths: Vec<StorePath> = fetched.keys().cloned().chain(local).collect();
        paths.sort_by_cached_key(ToString::to_string);
        paths.dedup();
        let found = found.into_iter().collect();
        let place = place()?;
        let nars = caches.fetch(found, &place, threads, progress)?;
        store.add(Nars::new(nars, place));
        Ok((Closure { roots, paths, known }, Fetched { paths: fetched, unvouched }))
    }
}

/// Which of these store paths the store has, whole.
fn present(store: &Store, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
    if store.origin() == Origin::Host {
        return nix::valid(paths);
    }
    let mut present = BTreeSet::new();
    for path in paths {
        if store.has(path)? {
            present.insert(path.clone());
        }
    }
    Ok(present)
}
