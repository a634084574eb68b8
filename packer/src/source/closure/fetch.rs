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
    /// What Nix's database says is valid is read from the store; no cache is asked for it. With `--store-root`, what is there
    /// is read from there, but the caches say what belongs to the closure. All else is fetched.
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
        // All that is valid in Nix's database has its references there, too. In another store, something may be missing.
        let is_host = store.origin() == Origin::Host;
        let look = |paths: &[StorePath]| match is_host {
            true => nix::valid(paths),
            false => Ok(BTreeSet::new()),
        };
        if look(&roots)?.len() == roots.len() {
            let closure = Closure::find(store, arguments, None, ask, threads, progress)?;
            return Ok((closure, Fetched::default()));
        }

        // What the caches have; what they do not have may be here.
        let caches = caches()?;
        progress.start("asking", None);
        let Walk { mut found, absent, mut valid } = caches.walk(&roots, look, progress)?;
        if !is_host {
            let seen: Vec<StorePath> = found.keys().chain(&absent).cloned().collect();
            valid = present(store, &seen)?;
        }
        if let Some(path) = absent.iter().find(|path| !valid.contains(path)) {
            let path = format!("{STORE_DIR}/{path}");
            return Err(Error::NotCached { path, caches: caches.names() });
        }
        let valid: Vec<StorePath> = valid.into_iter().collect();
        let mut local = Vec::new();
        let mut known = KnownPaths::new();
        for some in valid.chunks(nix::AT_ONCE) {
            local.extend(super::requisites(store, some, threads, progress)?);
            if is_host && ask == Ask::PathInfo {
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
        let found = found.into_values().collect();
        let place = place()?;
        let nars = caches.fetch(found, &place, threads, progress)?;
        store.add(Nars::new(nars, place));
        Ok((Closure { roots, paths, known }, Fetched { paths: fetched, unvouched }))
    }
}

/// Which of these store paths the store has.
fn present(store: &Store, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
    let mut present = BTreeSet::new();
    for path in paths {
        if store.has(path)? {
            present.insert(path.clone());
        }
    }
    Ok(present)
}
