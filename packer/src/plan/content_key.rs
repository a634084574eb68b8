//! The content key of each store path: a digest of its content and, transitively, of all that it refers to.

use std::collections::BTreeSet;

use format::{Digest, Hasher, PackedPath, StorePath};

use crate::scan::content::PathContent;

/// Computes the content keys of `paths`, which are sorted by base name.
///
/// Store paths of Nix have no reference cycles, except that one may refer to itself; but a scan for references
/// may find a cycle. Each member of a cycle first gets a key from its references outside of the cycle. One digest
/// of all these keys is then an additional key in each member's final key. docs/format.md specifies this.
pub(crate) fn keys(paths: &[StorePath], contents: &[PathContent]) -> Vec<Digest> {
    let mut keys: Vec<Option<Digest>> = vec![None; paths.len()];
    let mut waiting: BTreeSet<usize> = (0..paths.len()).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|path| {
            let known: Option<Vec<Digest>> =
                contents[*path].references.iter().map(|number| keys[*number as usize]).collect();
            keys[*path] = known.map(|known| {
                PackedPath::compute_key(&paths[*path], contents[*path].nar_hash, &known)
            });
            keys[*path].is_none()
        });
        if waiting.len() == before {
            let cycle = smallest_cycle(contents, &waiting);
            key_cycle(paths, contents, &cycle, &mut keys);
            waiting.retain(|path| !cycle.contains(path));
        }
    }
    keys.into_iter().flatten().collect()
}

/// Finds a cycle whose members wait only for each other.
///
/// It is the smallest set of waiting paths that can be reached from a waiting path.
fn smallest_cycle(contents: &[PathContent], waiting: &BTreeSet<usize>) -> BTreeSet<usize> {
    let reachable = |from: usize| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(path) = next.pop() {
            let references = contents[path].references.iter().map(|number| *number as usize);
            for reference in references.filter(|path| waiting.contains(path)) {
                if reached.insert(reference) {
                    next.push(reference);
                }
            }
        }
        reached
    };
    waiting.iter().map(|path| reachable(*path)).min_by_key(BTreeSet::len).unwrap_or_default()
}

fn key_cycle(
    paths: &[StorePath],
    contents: &[PathContent],
    cycle: &BTreeSet<usize>,
    keys: &mut [Option<Digest>],
) {
    let outside: Vec<Vec<Digest>> = cycle
        .iter()
        .map(|path| {
            contents[*path].references.iter().filter_map(|number| keys[*number as usize]).collect()
        })
        .collect();
    let mut hasher = Hasher::new();
    for (path, known) in cycle.iter().zip(&outside) {
        hasher.update(&PackedPath::compute_key(&paths[*path], contents[*path].nar_hash, known).0);
    }
    let together = hasher.finish();
    for (path, mut known) in cycle.iter().zip(outside) {
        known.push(together);
        keys[*path] =
            Some(PackedPath::compute_key(&paths[*path], contents[*path].nar_hash, &known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the keys of paths a, b, c … with these references; the path `changed` has another NAR hash.
    fn compute(references: &[&[u32]], changed: Option<usize>) -> Vec<Digest> {
        let paths: Vec<StorePath> = (0..references.len())
            .map(|number| {
                let digit = char::from(b"abcdfghijk"[number]);
                let base_name = format!("{digit}b9p07z77phvv2hf6gm9f28syp39f1ag-x");
                StorePath::parse(base_name.as_bytes()).unwrap()
            })
            .collect();
        let contents: Vec<PathContent> = references
            .iter()
            .enumerate()
            .map(|(number, references)| {
                let nar: &[u8] = if changed == Some(number) { b"new" } else { b"old" };
                PathContent::for_test(Digest::of(nar), references.to_vec())
            })
            .collect();
        keys(&paths, &contents)
    }

    #[test]
    fn change_reaches_all_that_refer_to_it() {
        // d and e are a cycle that refers to c; f refers to the cycle; g has no references.
        let graph: [&[u32]; 7] = [&[1], &[2], &[], &[4, 2], &[3], &[4], &[]];
        let old = compute(&graph, None);
        for (changed, expected) in [
            (0, vec![0]),
            (1, vec![0, 1]),
            (2, vec![0, 1, 2, 3, 4, 5]),
            (3, vec![3, 4, 5]),
            (4, vec![3, 4, 5]),
            (6, vec![6]),
        ] {
            let new = compute(&graph, Some(changed));
            let differ: Vec<usize> =
                (0..old.len()).filter(|path| old[*path] != new[*path]).collect();
            assert_eq!(differ, expected, "{changed} changed");
        }
    }
}
