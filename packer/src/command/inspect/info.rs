//! What a bundle says that Nix knew of its store paths. Nothing of this is checked.

use std::collections::{BTreeMap, BTreeSet};

use format::{Manifest, PathInfo, STORE_DIR, StorePath};
use serde::Serialize;

use crate::trust::{self, signature};

/// What Nix knew of a store path.
#[derive(Serialize)]
pub(super) struct Info {
    deriver: Option<String>,
    content_address: String,
    /// As Nix writes them.
    signatures: Vec<String>,
    /// The references as they were signed.
    references: Vec<String>,
}

impl Info {
    pub(super) fn new(info: &PathInfo, manifest: &Manifest) -> Info {
        let full = |path: &StorePath| format!("{STORE_DIR}/{path}");
        let mut references: Vec<String> =
            trust::references(info, &manifest.paths).map(full).collect();
        references.sort();
        Info {
            deriver: info.deriver.as_ref().map(full),
            content_address: info.content_address.clone(),
            signatures: info.signatures.iter().map(signature::text).collect(),
            references,
        }
    }
}

/// Counts the store paths for each key that is said to have signed them.
pub(super) fn signatures(manifest: &Manifest) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for info in manifest.paths.iter().filter_map(|packed| packed.info.as_ref()) {
        let keys: BTreeSet<&String> = info.signatures.iter().map(|each| &each.key).collect();
        keys.into_iter().for_each(|key| *all.entry(key.clone()).or_default() += 1);
    }
    all
}
