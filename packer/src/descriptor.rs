//! The descriptor and the manifest of a new bundle.

use std::collections::BTreeSet;

use format::{
    Descriptor, Digest, Entry, Manifest, Modes, PackedPath, PathKey, Piece, Rule, StorePath,
};

use crate::content::Content;
use crate::entry::Program;
use crate::environment;
use crate::error::{Error, Result};
use crate::key;
use crate::payload::Payload;
use crate::tree::Tree;

/// The packer that the manifest names.
const PACKER: &str = concat!("packer ", env!("CARGO_PKG_VERSION"));

/// Obstacles to relocation that the manifest names: more than a person reads, and still small.
const OBSTACLES: usize = 1000;

/// Characters of one that are kept: it names a file, whose path can have any length.
const OBSTACLE_LEN: usize = 4096;

/// Makes the manifest.
pub(crate) fn manifest(tree: &Tree, content: &Content) -> Manifest {
    let keys = key::keys(&tree.paths, &content.paths);
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

/// The first of the obstacles, and how many more there are.
fn obstacles<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all = all.map(|obstacle| obstacle.chars().take(OBSTACLE_LEN).collect());
    let mut first: Vec<String> = all.by_ref().take(OBSTACLES).collect();
    let more = all.count();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    first
}

/// Makes the descriptor of a bundle.
///
/// # Errors
///
/// If there are too many entries, rules and closures: [`format::DESCRIPTOR_LEN`].
pub(crate) fn descriptor(
    payload: &Payload,
    modes: Modes,
    programs: &[Program],
    rules: &[environment::Rule],
    manifest: &Manifest,
    roots: &[StorePath],
) -> Result<Descriptor> {
    let mut table = Table { manifest, paths: Vec::new() };
    let entries = programs
        .iter()
        .map(|Program { path, program }| {
            Ok(Entry { path: table.number(path)?, program: program.clone() })
        })
        .collect::<Result<_>>()?;
    let environment = rules.iter().map(|rule| table.rule(rule)).collect::<Result<_>>()?;
    // What is asked for is packed, though nothing else may refer to it.
    for root in roots {
        if !table.implies(root) {
            table.number(root)?;
        }
    }
    Ok(Descriptor {
        payload: payload.start,
        file_len: payload.end,
        manifest: payload.manifest,
        index: payload.index,
        seek_table: payload.seek_table,
        modes,
        paths: table.paths,
        entries,
        environment,
    })
}

/// The descriptor's store paths: those that entries and rules name, in the order of their first use, and the
/// roots that these do not need.
struct Table<'a> {
    manifest: &'a Manifest,
    paths: Vec<PathKey>,
}

impl Table<'_> {
    fn number(&mut self, path: &StorePath) -> Result<u16> {
        let known = self.paths.iter().position(|known| known.path == *path);
        let number = known.unwrap_or_else(|| {
            self.paths.push(PathKey { path: path.clone(), key: self.key(path) });
            self.paths.len() - 1
        });
        let too_many = Error::TooMany { what: "store paths in entries and rules", limit: 0xffff };
        u16::try_from(number).map_err(|_| too_many)
    }

    /// Whether the manifest lacks a store path, or one of these needs it.
    fn implies(&self, path: &StorePath) -> bool {
        let all = &self.manifest.paths;
        let Some(wanted) = all.iter().position(|packed| packed.path == *path) else { return true };
        let listed = |number: &usize| self.paths.iter().any(|key| key.path == all[*number].path);
        let mut needed: Vec<usize> = (0..all.len()).filter(listed).collect();
        let mut seen: BTreeSet<usize> = needed.iter().copied().collect();
        while let Some(number) = needed.pop() {
            let references = all[number].references.iter().map(|reference| *reference as usize);
            needed.extend(references.filter(|reference| seen.insert(*reference)));
        }
        seen.contains(&wanted)
    }

    /// Entries and rules were checked against the closure, so the manifest has the path.
    fn key(&self, path: &StorePath) -> Digest {
        let packed = self.manifest.paths.iter().find(|packed| packed.path == *path);
        packed.map_or(Digest([0; 32]), |packed| packed.key)
    }

    fn rule(&mut self, rule: &environment::Rule) -> Result<Rule> {
        let piece = |piece: &environment::Piece| {
            Ok(match piece {
                environment::Piece::Bytes(bytes) => Piece::Bytes(bytes.clone()),
                environment::Piece::Path(path) => Piece::Path(self.number(path)?),
            })
        };
        let value = rule.value.iter().map(piece).collect::<Result<_>>()?;
        Ok(Rule { action: rule.action, name: rule.name.clone(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{BASH, GLIBC, MARKOV};

    #[test]
    fn listed_paths_imply_what_they_refer_to() {
        let path = |name: &str| StorePath::parse(name.as_bytes()).unwrap();
        let packed = |name, references| PackedPath {
            path: path(name),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references,
        };
        let manifest = Manifest {
            packer: String::new(),
            obstacles: Vec::new(),
            paths: vec![packed(GLIBC, vec![]), packed(BASH, vec![0]), packed(MARKOV, vec![1])],
        };
        for (listed, implied) in [(GLIBC, 1), (BASH, 2), (MARKOV, 3)] {
            let mut table = Table { manifest: &manifest, paths: Vec::new() };
            assert!(!table.implies(&path(listed)));
            table.number(&path(listed)).unwrap();
            let all = [GLIBC, BASH, MARKOV].map(|name| table.implies(&path(name)));
            assert_eq!(all.iter().filter(|implied| **implied).count(), implied, "{listed}");
        }
    }

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
