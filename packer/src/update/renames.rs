//! Store hashes that differ between two bundles: replaced in old content, so that it resembles the new.

use aho_corasick::AhoCorasick;
use format::{HASH_TEXT_LEN, Manifest, Rename, StoreHash};

use super::pairs::Pair;
use crate::source::reference::Hashes;

/// Replaces hashes of old store paths by those of the new ones.
pub(super) struct Renames {
    new: Vec<StoreHash>,
    /// The old hashes as text, as files refer to them; numbered as `new`.
    texts: Hashes,
    /// The old hashes as bytes, as manifest and descriptor have them.
    bytes: Option<AhoCorasick>,
}

/// Lists the store paths that have another hash in the new bundle.
pub(super) fn list(pairs: &[Pair], new: &Manifest) -> Vec<Rename> {
    let renamed = pairs.iter().filter_map(|pair| {
        let path = pair.old.and_then(|old| u32::try_from(old).ok())?;
        let new = &new.paths.get(pair.new?)?.path;
        (!pair.is_same).then(|| Rename { path, hash: new.hash() })
    });
    let mut renames: Vec<Rename> = renamed.collect();
    renames.sort_by_key(|rename| rename.path);
    renames
}

impl Renames {
    /// Takes the renames of a delta; `None` if one names a store path that the old bundle does not have.
    pub(super) fn new(old: &Manifest, renames: &[Rename]) -> Option<Renames> {
        let hash = |rename: &Rename| {
            let packed = old.paths.get(usize::try_from(rename.path).ok()?)?;
            Some(packed.path.hash())
        };
        let hashes: Vec<StoreHash> = renames.iter().map(hash).collect::<Option<_>>()?;
        // Making it fails only with patterns without end; hashes are then not replaced in either direction.
        let bytes = AhoCorasick::new(hashes.iter().map(|hash| hash.0)).ok();
        let new = renames.iter().map(|rename| rename.hash).collect();
        Some(Renames { new, texts: Hashes::new(hashes), bytes })
    }

    /// Replaces all hashes.
    pub(super) fn apply(&self, content: &mut [u8]) {
        if self.new.is_empty() {
            return;
        }
        let mut texts = Vec::new();
        self.texts.find(content, |at, number| texts.push((at, number)));
        for (at, number) in texts {
            if let Some(new) = self.new.get(number as usize) {
                content[at..at + HASH_TEXT_LEN].copy_from_slice(&new.text());
            }
        }
    }

    /// Replaces all hashes, also those that are no text.
    pub(super) fn apply_to_lists(&self, content: &mut [u8]) {
        self.apply(content);
        let Some(bytes) = &self.bytes else { return };
        let found: Vec<_> =
            bytes.find_iter(&*content).map(|found| (found.range(), found.pattern())).collect();
        for (range, pattern) in found {
            content[range].copy_from_slice(&self.new[pattern.as_usize()].0);
        }
    }
}

#[cfg(test)]
mod tests {
    use format::{Digest, PackedPath, StorePath};

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC};

    #[test]
    fn hashes_are_replaced_as_text_and_as_bytes() {
        let path = |name: &str| StorePath::parse(name.as_bytes()).unwrap();
        let packed = |name| PackedPath {
            path: path(name),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references: Vec::new(),
            is_partial: false,
            info: None,
        };
        let old = Manifest { paths: vec![packed(GLIBC), packed(BASH)], ..Manifest::default() };
        let hash = StoreHash([7; 20]);
        let renames = Renames::new(&old, &[Rename { path: 1, hash }]).unwrap();
        let make = |bash: StoreHash| {
            let text = format!("x/nix/store/{GLIBC}/nix/store/");
            [text.as_bytes(), &bash.text(), b"-bash", &bash.0, b"end"].concat()
        };
        let mut content = make(path(BASH).hash());
        renames.apply(&mut content);
        assert!(content != make(hash));
        renames.apply_to_lists(&mut content);
        assert!(content == make(hash));
        assert!(Renames::new(&old, &[Rename { path: 2, hash }]).is_none());
    }
}
