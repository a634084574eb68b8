//! What is known of store paths, in the manifest's form.

use format::{PathInfo, StorePath};

use crate::scan::content::Content;
use crate::source::path_info::{Known, KnownPaths};
use crate::source::tree::Tree;

/// What the manifest has of a tree's store paths.
pub(crate) struct Described<'a> {
    /// For each store path what is known of it.
    pub(crate) info: Vec<Option<PathInfo>>,
    /// Those whose files are not those that were described: what is known is left out.
    pub(crate) altered: Vec<&'a StorePath>,
}

/// Describes a tree's store paths with what is known of them. One of which files were left out keeps its description,
/// which is of the whole.
pub(crate) fn describe<'a>(tree: &'a Tree, content: &Content, known: &KnownPaths) -> Described<'a> {
    let mut described = Described { info: Vec::new(), altered: Vec::new() };
    for ((path, content), is_partial) in tree.paths.iter().zip(&content.paths).zip(&tree.partial) {
        let known = known.get(path);
        let is_true = |known: &&Known| {
            *is_partial || (known.nar_hash, known.nar_len) == (content.nar_hash, content.nar_len)
        };
        if known.is_some_and(|known| !is_true(&known)) {
            described.altered.push(path);
        }
        described.info.push(known.filter(is_true).map(|known| info(known, &tree.paths)));
    }
    described
}

/// Converts what is known of a store path. `packed` has the store paths of the manifest, sorted by base name.
pub(crate) fn info(known: &Known, packed: &[StorePath]) -> PathInfo {
    let number = |path: &StorePath| {
        let at = packed.binary_search_by(|other| other.base_name().cmp(&path.base_name()));
        at.ok().and_then(|at| u32::try_from(at).ok())
    };
    let mut references: Vec<u32> = known.references.iter().filter_map(number).collect();
    references.sort_unstable();
    references.dedup();
    let is_elsewhere = |path: &&StorePath| number(path).is_none();
    let mut elsewhere: Vec<StorePath> =
        known.references.iter().filter(is_elsewhere).cloned().collect();
    elsewhere.sort_by(|a, b| a.base_name().cmp(&b.base_name()));
    elsewhere.dedup();
    let mut signatures = known.signatures.clone();
    signatures.sort();
    signatures.dedup();
    let (deriver, content_address) = (known.deriver.clone(), known.content_address.clone());
    PathInfo { references, elsewhere, deriver, content_address, signatures }
}

#[cfg(test)]
mod tests {
    use format::{Digest, Signature};

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    #[test]
    fn lists_are_sorted_and_have_nothing_twice() {
        let path = |base_name: &str| StorePath::parse(base_name.as_bytes()).unwrap();
        let [glibc, bash, markov] = [GLIBC, BASH, MARKOV].map(path);
        let other = path("0b9p07z77phvv2hf6gm9f28syp39f1ag-other");
        let signature = |key: &str| Signature { key: key.into(), bytes: [1; 64] };
        let packed = [glibc.clone(), bash.clone()];
        let known = Known {
            nar_hash: Digest::of(b""),
            nar_len: 1,
            references: [&markov, &bash, &glibc, &other, &bash, &other].map(Clone::clone).into(),
            deriver: Some(markov.clone()),
            content_address: "x".into(),
            signatures: ["b", "a", "b"].map(signature).into(),
        };
        let mut expected = [other, markov.clone()];
        expected.sort_by_key(ToString::to_string);
        assert_eq!(
            info(&known, &packed),
            PathInfo {
                references: vec![0, 1],
                elsewhere: expected.into(),
                deriver: Some(markov),
                content_address: "x".into(),
                signatures: ["a", "b"].map(signature).into(),
            }
        );
    }
}
