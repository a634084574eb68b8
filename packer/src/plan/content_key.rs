//! The content key of each store path: what it is and, transitively, what it refers to.

use std::collections::BTreeSet;

use format::{Digest, Hasher, PackedPath, StorePath};

use crate::scan::content::PathContent;

/// Computes the content keys of `paths`, which are sorted by base name.
///
/// Nix makes no circles of store paths, except that one may refer to itself, but a scan for references
/// may see one. The members of a circle are keyed together: the keys of what they refer to outside of
/// it, then one digest over the circle's paths and NAR hashes.
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
            let circle = smallest_circle(contents, &waiting);
            key_circle(paths, contents, &circle, &mut keys);
            waiting.retain(|path| !circle.contains(path));
        }
    }
    keys.into_iter().flatten().collect()
}

/// Finds a circle whose members wait for nobody else.
///
/// It is the smallest set of paths that can be reached from one of them.
fn smallest_circle(contents: &[PathContent], waiting: &BTreeSet<usize>) -> BTreeSet<usize> {
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

fn key_circle(
    paths: &[StorePath],
    contents: &[PathContent],
    circle: &BTreeSet<usize>,
    keys: &mut [Option<Digest>],
) {
    let outside: Vec<Vec<Digest>> = circle
        .iter()
        .map(|path| {
            contents[*path].references.iter().filter_map(|number| keys[*number as usize]).collect()
        })
        .collect();
    let mut hasher = Hasher::new();
    for (path, known) in circle.iter().zip(&outside) {
        hasher.update(&PackedPath::compute_key(&paths[*path], contents[*path].nar_hash, known).0);
    }
    let together = hasher.finish();
    for (path, mut known) in circle.iter().zip(outside) {
        known.push(together);
        keys[*path] =
            Some(PackedPath::compute_key(&paths[*path], contents[*path].nar_hash, &known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of paths a, b, c … with these references, where `changed` has another NAR hash.
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
        // d and e are a circle that refers to c, f refers to it, g stands alone.
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
