//! The closure from the files themselves, as Nix scans them when it builds.

use std::collections::{BTreeSet, HashSet};
use std::num::NonZeroUsize;

use format::StorePath;

use crate::error::Result;
use crate::parallel;
use crate::progress::Progress;
use crate::source::exclude::Exclude;
use crate::source::reader::Reader;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// Finds the store paths that `roots` need, breadth first, by references to any neighbour.
///
/// # Errors
///
/// If a root is not there or a file cannot be read.
pub(super) fn requisites(
    store: &Store,
    roots: &[StorePath],
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<StorePath>> {
    let neighbours = store.paths()?;
    let hashes = Hashes::of_paths(&neighbours);
    let mut known: HashSet<StorePath> = HashSet::new();
    let mut level = roots.to_vec();
    while !level.is_empty() {
        let mut found = BTreeSet::new();
        parallel::in_order(
            threads,
            level.len(),
            |number| references(store, &level[number], &hashes, progress),
            |references| {
                found.extend(references);
                Ok(())
            },
        )?;
        known.extend(level);
        level = found
            .into_iter()
            .filter_map(|number| neighbours.get(number as usize))
            .filter(|path| !known.contains(path))
            .cloned()
            .collect();
    }
    Ok(known.into_iter().collect())
}

/// The numbers of the neighbours that a store path refers to.
fn references(
    store: &Store,
    path: &StorePath,
    hashes: &Hashes,
    progress: &Progress,
) -> Result<BTreeSet<u32>> {
    store.require(path)?;
    // A special file has no references; whether it is to be packed is asked later.
    let tree = Tree::read(store, std::slice::from_ref(path), &Exclude::special())?;
    let mut found = BTreeSet::new();
    let mut reader = Reader::new(store, &tree, hashes);
    for (number, _) in tree.iter() {
        reader.references(number, &mut found, progress)?;
    }
    Ok(found)
}
