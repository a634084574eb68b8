//! The descriptor of a new bundle.

use std::collections::BTreeSet;

use format::{
    BUNDLE_VERSION, Descriptor, Digest, Entry, Graphics, Manifest, PathKey, Piece, Rule, StorePath,
};

use super::payload::Written;
use crate::error::{Error, Result};
use crate::plan::entry::Program;
use crate::plan::{Plan, environment};

/// Makes the descriptor of a bundle.
///
/// # Errors
///
/// If the entries, rules and closures need more than [`format::DESCRIPTOR_LEN`] bytes.
pub(crate) fn descriptor(plan: &Plan, written: &Written) -> Result<Descriptor> {
    let Plan { programs, subsets, modes, rules, graphics, host_programs, argv0, manifest, roots } =
        plan;
    let mut table = Table { manifest, paths: Vec::new() };
    let entries = programs
        .iter()
        .zip(subsets)
        .map(|(Program { path, program, .. }, subset)| {
            Ok(Entry { path: table.number(path)?, program: program.clone(), subset: *subset })
        })
        .collect::<Result<_>>()?;
    let environment = rules.iter().map(|rule| table.rule(rule)).collect::<Result<_>>()?;
    let graphics = graphics.as_ref().map(|graphics| -> Result<_> {
        let drivers = graphics.drivers.as_ref().map(|path| table.number(path)).transpose()?;
        Ok(Graphics { interfaces: graphics.interfaces, glibc: graphics.glibc, drivers })
    });
    let graphics = graphics.transpose()?;
    // A root is listed even if nothing else refers to it.
    for root in roots {
        if !table.implies(root) {
            table.number(root)?;
        }
    }
    Ok(Descriptor {
        version: BUNDLE_VERSION,
        stub_len: written.stub_len,
        file_len: written.file_len,
        sections: written.sections,
        modes: *modes,
        paths: table.paths,
        entries,
        environment,
        graphics,
        host_programs: host_programs.iter().map(|name| name.as_bytes().into()).collect(),
        argv0: argv0.clone(),
    })
}

/// The store paths that the descriptor lists: first those that entries and rules name, in the order of their
/// first use; then the roots that the closures of these do not include.
struct Table<'a> {
    manifest: &'a Manifest,
    paths: Vec<PathKey>,
}

impl Table<'_> {
    /// Returns the number of a store path in the table; adds the path if it is new.
    fn number(&mut self, path: &StorePath) -> Result<u16> {
        let known = self.paths.iter().position(|known| known.path == *path);
        let number = known.unwrap_or_else(|| {
            self.paths.push(PathKey { path: path.clone(), key: self.key(path) });
            self.paths.len() - 1
        });
        let too_many = Error::TooMany { what: "store paths in entries and rules", limit: 0xffff };
        u16::try_from(number).map_err(|_| too_many)
    }

    /// Whether a store path need not be listed: it is in the closure of a listed one, or not in the manifest.
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

    /// Returns the content key. The manifest has the path, because entries and rules were checked before.
    fn key(&self, path: &StorePath) -> Digest {
        let packed = self.manifest.paths.iter().find(|packed| packed.path == *path);
        packed.map_or(Digest([0; 32]), |packed| packed.key)
    }

    fn rule(&mut self, rule: &environment::Rule) -> Result<Rule> {
        let piece = |piece: &environment::Piece| {
            Ok(match piece {
                environment::Piece::Bytes(bytes) => Piece::Bytes(bytes.clone()),
                environment::Piece::Path(path) => Piece::Path(self.number(path)?),
                environment::Piece::Bundle => Piece::Bundle,
            })
        };
        let value = rule.value.iter().map(piece).collect::<Result<_>>()?;
        Ok(Rule { action: rule.action, name: rule.name.clone(), value })
    }
}

#[cfg(test)]
mod tests {
    use format::PackedPath;

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    #[test]
    fn listed_paths_imply_what_they_refer_to() {
        let path = |name: &str| StorePath::parse(name.as_bytes()).unwrap();
        let packed = |name, references| PackedPath {
            path: path(name),
            nar_hash: Digest([0; 32]),
            nar_len: 0,
            key: Digest([0; 32]),
            references,
            is_partial: false,
            info: None,
        };
        let manifest = Manifest {
            paths: vec![packed(GLIBC, vec![]), packed(BASH, vec![0]), packed(MARKOV, vec![1])],
            ..Manifest::default()
        };
        for (listed, implied) in [(GLIBC, 1), (BASH, 2), (MARKOV, 3)] {
            let mut table = Table { manifest: &manifest, paths: Vec::new() };
            assert!(!table.implies(&path(listed)));
            table.number(&path(listed)).unwrap();
            let all = [GLIBC, BASH, MARKOV].map(|name| table.implies(&path(name)));
            assert_eq!(all.iter().filter(|implied| **implied).count(), implied, "{listed}");
        }
    }
}
