//! Makes the manifest of a new bundle.

use format::{Manifest, PackedPath};

use super::content_key;
use crate::scan::content::Content;
use crate::source::tree::Tree;

/// The name and version of the packer, as the manifest has it.
const PACKER: &str = concat!("packer ", env!("CARGO_PKG_VERSION"));

/// The largest number of obstacles in the manifest: more than a person reads, and still small.
const OBSTACLES: usize = 1000;

/// The largest number of characters of an obstacle: it names a file, and paths can have any length.
const OBSTACLE_LEN: usize = 4096;

/// Makes the manifest.
pub(crate) fn manifest(tree: &Tree, content: &Content) -> Manifest {
    let keys = content_key::keys(&tree.paths, &content.paths);
    let paths = tree.paths.iter().zip(&content.paths).zip(keys);
    Manifest {
        packer: PACKER.to_owned(),
        obstacles: obstacles(content.obstacles()),
        paths: paths
            .map(|((path, content), key)| PackedPath {
                path: path.clone(),
                nar_hash: content.nar_hash,
                nar_len: content.nar_len,
                key,
                references: content.references.clone(),
            })
            .collect(),
    }
}

/// Returns the first obstacles, and a line with the number of further ones.
fn obstacles<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all = all.map(|obstacle| obstacle.chars().take(OBSTACLE_LEN).collect());
    let mut first: Vec<String> = all.by_ref().take(OBSTACLES).collect();
    let more = all.count();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_that_are_not_listed_are_counted() {
        let all: Vec<String> = (0..OBSTACLES + 5).map(|number| number.to_string()).collect();
        let listed = |count| obstacles(all.iter().take(count).map(String::as_str));
        assert_eq!(listed(OBSTACLES), all[..OBSTACLES]);
        let listed = listed(all.len());
        assert_eq!(listed[..OBSTACLES], all[..OBSTACLES]);
        assert_eq!(listed[OBSTACLES..], ["and 5 more"]);
        assert_eq!(obstacles(["é".repeat(70_000).as_str()].into_iter())[0].len(), 2 * OBSTACLE_LEN);
    }
}
