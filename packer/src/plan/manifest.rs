//! The manifest of a new bundle.

use format::{Findings, Manifest, PackedPath, PathInfo, Release, StoreHash, StorePath};

use super::content_key;
use crate::scan::content::Content;
use crate::source::tree::Tree;

/// The packer that the manifest names.
const PACKER: &str = concat!("packer ", env!("CARGO_PKG_VERSION"));

/// Findings of each list that the manifest has: more than a person reads, and still small.
const FINDINGS: usize = 1000;

/// Characters of one that are kept: it names a file, whose path can have any length.
const FINDING_LEN: usize = 4096;

/// Makes the manifest; `info` has for each store path what Nix knows of it.
pub(crate) fn manifest(
    tree: &Tree,
    content: &Content,
    findings: &Findings,
    info: Vec<Option<PathInfo>>,
) -> Manifest {
    let keys = content_key::keys(&tree.paths, &content.paths);
    let known = tree.partial.iter().zip(info);
    let paths = tree.paths.iter().zip(&content.paths).zip(keys).zip(known);
    Manifest {
        packer: PACKER.to_owned(),
        findings: Findings {
            obstacles: first(&findings.obstacles),
            doubts: first(&findings.doubts),
            vouched: first(&findings.vouched),
        },
        paths: paths
            .map(|(((path, content), key), (is_partial, info))| PackedPath {
                path: path.clone(),
                nar_hash: content.nar_hash,
                nar_len: content.nar_len,
                key,
                references: content.references.clone(),
                is_partial: *is_partial,
                info,
            })
            .collect(),
        is_unchecked: false,
        sbom: String::new(),
        subsets: Vec::new(),
        left_out: Vec::new(),
        release: Release::default(),
        stub: None,
    }
}

/// The hash of each store path that a bill of materials names: those of the closure, and what Nix says of them.
pub(crate) fn named(manifest: &Manifest, closure: &[StorePath]) -> Vec<StoreHash> {
    let infos = || manifest.paths.iter().filter_map(|packed| packed.info.as_ref());
    let derivers = infos().filter_map(|info| info.deriver.as_ref());
    let elsewhere = infos().flat_map(|info| &info.elsewhere);
    closure.iter().chain(derivers).chain(elsewhere).map(StorePath::hash).collect()
}

/// The first of the findings, and how many more there are.
fn first(all: &[String]) -> Vec<String> {
    let mut all = all.iter().map(|finding| finding.chars().take(FINDING_LEN).collect());
    let mut first: Vec<String> = all.by_ref().take(FINDINGS).collect();
    let more = all.count();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    first
}

#[cfg(test)]
mod tests {
    use format::{Digest, PathInfo};

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    #[test]
    fn findings_that_are_not_listed_are_counted() {
        let all: Vec<String> = (0..FINDINGS + 5).map(|number| number.to_string()).collect();
        assert_eq!(first(&all[..FINDINGS]), all[..FINDINGS]);
        let listed = first(&all);
        assert_eq!(listed[..FINDINGS], all[..FINDINGS]);
        assert_eq!(listed[FINDINGS..], ["and 5 more"]);
        assert_eq!(first(&["é".repeat(70_000)])[0].len(), 2 * FINDING_LEN);
    }

    #[test]
    fn derivations_are_hidden_too() {
        let path = |name: &str| StorePath::parse(name.as_bytes()).unwrap();
        let [deriver, other] = [MARKOV, BASH].map(path);
        let info = PathInfo {
            deriver: Some(deriver.clone()),
            elsewhere: vec![other.clone()],
            ..PathInfo::default()
        };
        let packed = PackedPath {
            path: path(GLIBC),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references: vec![],
            is_partial: false,
            info: Some(info),
        };
        let manifest = Manifest { paths: vec![packed], ..Manifest::default() };
        let closure = [path(GLIBC)];
        let expected = [&closure[0], &deriver, &other].map(StorePath::hash);
        assert_eq!(named(&manifest, &closure), expected);
    }
}
