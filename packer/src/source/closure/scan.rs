//! Finds the closure by scanning files for references, as Nix does after a build.

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

/// Finds the closure of `roots`, breadth first: a reference is the hash of any store path in the store.
///
/// # Errors
///
/// If a root does not exist, or a file cannot be read.
pub(super) fn requisites(
    store: &Store,
    roots: &[StorePath],
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<StorePath>> {
    let all = store.paths()?;
    let hashes = Hashes::of_paths(&all);
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
            .filter_map(|number| all.get(number as usize))
            .filter(|path| !known.contains(path))
            .cloned()
            .collect();
    }
    Ok(known.into_iter().collect())
}

/// Returns the numbers of the hashes that a store path refers to.
fn references(
    store: &Store,
    path: &StorePath,
    hashes: &Hashes,
    progress: &Progress,
) -> Result<BTreeSet<u32>> {
    store.require(path)?;
    // Special files such as devices have no references; a later step refuses to pack them.
    let tree = Tree::read(store, std::slice::from_ref(path), &Exclude::special())?;
    let mut found = BTreeSet::new();
    let mut reader = Reader::new(store, &tree, hashes);
    for (number, _) in tree.iter() {
        reader.references(number, &mut found, progress)?;
    }
    Ok(found)
}
