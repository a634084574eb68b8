//! Which store paths each entry needs: a first start unpacks these, and no others.

use std::collections::{BTreeMap, BTreeSet};

use format::{Manifest, PackedPath, StorePath};

use super::entry::Program;

/// The subsets of a bundle with several entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Subsets {
    /// The subset of each entry, by number in `all`; `None` for an entry that needs all store paths.
    pub(crate) of_entries: Vec<Option<u16>>,
    /// The store paths of each subset: rising numbers into the manifest's.
    pub(crate) all: Vec<Vec<u32>>,
}

/// Finds the store paths that each entry needs.
///
/// These are the ones that it refers to, directly or indirectly, as a scan found and as Nix knows; those that
/// `common` names, such as the rules for the environment, with what they refer to; and those that no entry refers to,
/// since nobody can know which one opens them.
pub(crate) fn choose<'a>(
    manifest: &Manifest,
    programs: &[Program],
    common: impl Iterator<Item = &'a StorePath>,
) -> Subsets {
    let paths = &manifest.paths;
    let number = |path: &StorePath| paths.iter().position(|packed| packed.path == *path);
    let common = reach(paths, common.filter_map(number));
    let of_entries: Vec<BTreeSet<usize>> =
        programs.iter().map(|program| reach(paths, number(&program.path))).collect();
    let is_needed = |number: &usize| of_entries.iter().any(|needed| needed.contains(number));
    let others: Vec<usize> = (0..paths.len()).filter(|number| !is_needed(number)).collect();
    let mut all: Vec<Vec<u32>> = Vec::new();
    let of_entries = of_entries.into_iter().map(|mut needed| {
        needed.extend(common.iter().chain(&others));
        if needed.len() == paths.len() {
            return None;
        }
        let needed: Vec<u32> = needed.into_iter().filter_map(|n| u32::try_from(n).ok()).collect();
        let known = all.iter().position(|subset| *subset == needed);
        let number = known.unwrap_or_else(|| {
            all.push(needed);
            all.len() - 1
        });
        // The descriptor has room for fewer entries.
        u16::try_from(number).ok()
    });
    Subsets { of_entries: of_entries.collect(), all }
}

/// Returns for each store path a number that those have in common which the same subsets have; it is lower the more
/// subsets have them.
pub(crate) fn groups(manifest: &Manifest) -> Vec<u32> {
    let subsets = &manifest.subsets;
    let lacks = |number: u32| move |subset: &Vec<u32>| subset.binary_search(&number).is_err();
    let lacking: Vec<Vec<bool>> = (0..)
        .zip(&manifest.paths)
        .map(|(number, _)| subsets.iter().map(lacks(number)).collect())
        .collect();
    let count = |lacking: &Vec<bool>| lacking.iter().filter(|lacks| **lacks).count();
    let distinct: BTreeSet<(usize, &Vec<bool>)> =
        lacking.iter().map(|lacking| (count(lacking), lacking)).collect();
    let numbers: BTreeMap<&Vec<bool>, u32> =
        distinct.into_iter().map(|(_, lacking)| lacking).zip(0..).collect();
    lacking.iter().map(|lacking| numbers[lacking]).collect()
}

/// The store paths that these refer to, directly or indirectly, and they themselves.
fn reach(paths: &[PackedPath], from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut pending: Vec<usize> = from.into_iter().collect();
    let mut reached: BTreeSet<usize> = pending.iter().copied().collect();
    while let Some(number) = pending.pop() {
        let PackedPath { references, info, .. } = &paths[number];
        let known = info.iter().flat_map(|info| &info.references);
        let all = references.iter().chain(known).map(|reference| *reference as usize);
        pending.extend(all.filter(|reference| reached.insert(*reference)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use format::{Digest, PathInfo};

    use super::*;

    fn path(letter: char) -> StorePath {
        let name = format!("1b9p07z77phvv2hf6gm9f28syp39f1ag-{letter}");
        StorePath::parse(name.as_bytes()).unwrap()
    }

    /// glibc a ← bash b, python c ← script d, which Nix knows to refer to e; f is alone.
    fn manifest() -> Manifest {
        let packed = |letter, references: &[u32]| PackedPath {
            path: path(letter),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references: references.into(),
            is_partial: false,
            info: None,
        };
        let mut paths = vec![
            packed('a', &[]),
            packed('b', &[0]),
            packed('c', &[0]),
            packed('d', &[2]),
            packed('e', &[]),
            packed('f', &[]),
        ];
        paths[3].info = Some(PathInfo { references: vec![2, 3, 4], ..PathInfo::default() });
        Manifest { paths, ..Manifest::default() }
    }

    fn subsets(entries: &str, common: &str) -> (Vec<Option<u16>>, Vec<Vec<u32>>) {
        let program = |letter| Program { path: path(letter), program: Vec::new(), machine: None };
        let programs: Vec<Program> = entries.chars().map(program).collect();
        let common: Vec<StorePath> = common.chars().map(path).collect();
        let Subsets { of_entries, all } = choose(&manifest(), &programs, common.iter());
        (of_entries, all)
    }

    #[test]
    fn entries_have_what_they_refer_to() {
        // A single entry needs all that was packed.
        assert_eq!(subsets("b", ""), (vec![None], vec![]));
        let (bash, script) = (vec![0, 1, 5], vec![0, 2, 3, 4, 5]);
        assert_eq!(subsets("bd", ""), (vec![Some(0), Some(1)], vec![bash.clone(), script.clone()]));
        // The same subset is there once.
        assert_eq!(
            subsets("dbd", ""),
            (vec![Some(0), Some(1), Some(0)], vec![script.clone(), bash.clone()])
        );
        // Python is in the script's; what rules name is in all.
        assert_eq!(subsets("cd", ""), (vec![Some(0), None], vec![vec![0, 1, 2, 5]]));
        assert_eq!(subsets("bd", "c"), (vec![Some(0), Some(1)], vec![vec![0, 1, 2, 5], script]));
    }

    #[test]
    fn groups_are_of_the_same_subsets() {
        let mut manifest = manifest();
        assert_eq!(groups(&manifest), [0; 6]);
        manifest.subsets = vec![vec![0, 1, 5], vec![0, 2, 3, 4, 5]];
        assert_eq!(groups(&manifest), [0, 1, 2, 2, 2, 0]);
    }
}
