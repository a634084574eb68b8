//! Pairs of store paths: the same package in an old and in a new bundle.

use std::collections::BTreeMap;

use format::{Manifest, PackedPath};

use crate::sbom::name::Name;

/// A package of two bundles, or of one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    /// Its store path: a number in the old manifest.
    pub(super) old: Option<usize>,
    /// Its store path: a number in the new manifest.
    pub(super) new: Option<usize>,
    /// Whether both are the same store path.
    pub(super) is_same: bool,
}

/// Returns the name of a store path's package and output, and the version.
pub(super) fn name(packed: &PackedPath) -> (String, String) {
    let deriver = packed.info.as_ref().and_then(|info| info.deriver.as_ref());
    let Name { package, version, output } = Name::of(&packed.path, deriver);
    let name = match output {
        Some(output) => format!("{package}-{output}"),
        None => package,
    };
    (name, version)
}

/// Pairs the store paths of two bundles, sorted by name.
///
/// Store paths with the same name of the package and of the output are a pair: first those that are the same store path,
/// then those with the same version, then the others in the order of their versions.
pub(super) fn pair(old: &Manifest, new: &Manifest) -> Vec<Pair> {
    /// A version, and the number of the store path.
    type One = (String, usize);
    let mut groups: BTreeMap<String, [Vec<One>; 2]> = BTreeMap::new();
    for (side, manifest) in [old, new].into_iter().enumerate() {
        for (number, packed) in manifest.paths.iter().enumerate() {
            let (name, version) = name(packed);
            groups.entry(name).or_default()[side].push((version, number));
        }
    }
    let mut pairs = Vec::new();
    for (name, [mut olds, mut news]) in groups {
        let path = |manifest: &'_ Manifest, number: usize| manifest.paths[number].path.clone();
        let mut take = |is_pair: &dyn Fn(&One, &One) -> bool| {
            olds.retain(|one| {
                let Some(at) = news.iter().position(|other| is_pair(one, other)) else {
                    return true;
                };
                let (_, number) = news.remove(at);
                let is_same = path(old, one.1) == path(new, number);
                let (old, new) = (Some(one.1), Some(number));
                pairs.push(Pair { name: name.clone(), old, new, is_same });
                false
            });
        };
        take(&|one, other| path(old, one.1) == path(new, other.1));
        take(&|one, other| one.0 == other.0);
        take(&|_, _| true);
        let alone = |old, new| Pair { name: name.clone(), old, new, is_same: false };
        pairs.extend(olds.into_iter().map(|(_, number)| alone(Some(number), None)));
        pairs.extend(news.into_iter().map(|(_, number)| alone(None, Some(number))));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use format::{Digest, StorePath};

    use super::*;

    fn manifest(names: &[&str]) -> Manifest {
        let packed = |name: &&str| PackedPath {
            path: StorePath::parse(name.as_bytes()).unwrap(),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references: Vec::new(),
            is_partial: false,
            info: None,
        };
        Manifest { paths: names.iter().map(packed).collect(), ..Manifest::default() }
    }

    #[test]
    fn packages_are_paired() {
        let hash = |digit: char| format!("{digit}b9p07z77phvv2hf6gm9f28syp39f1ag");
        let path = |digit, name: &str| format!("{}-{name}", hash(digit));
        let olds =
            [path('0', "redis-7.0"), path('1', "zlib-1.2"), path('2', "gone"), path('3', "x-1")];
        let news = [
            path('1', "zlib-1.2"),
            path('4', "redis-7.2"),
            path('5', "x-2"),
            path('6', "x-1"),
            path('7', "openssl-3-dev"),
        ];
        let list =
            |names: &[String]| manifest(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let found: Vec<_> = pair(&list(&olds), &list(&news))
            .into_iter()
            .map(|pair| (pair.name, pair.old, pair.new, pair.is_same))
            .collect();
        let expected = [
            ("gone", Some(2), None, false),
            ("openssl-dev", None, Some(4), false),
            ("redis", Some(0), Some(1), false),
            ("x", Some(3), Some(3), false),
            ("x", None, Some(2), false),
            ("zlib", Some(1), Some(0), true),
        ];
        let expected =
            expected.map(|(name, old, new, is_same)| (name.to_owned(), old, new, is_same));
        assert_eq!(found, expected);
    }
}
