//! The bill of materials, whatever the form of the document.

use format::{Manifest, StorePath};

use super::component::Component;
use super::meta::Meta;
use super::name::Name;

/// What the document is about, besides the store paths.
pub(crate) struct Subject {
    /// The name of the first entry; of the first store path if there is none.
    pub(crate) name: String,
    /// The store path of the first entry: its version is the whole's.
    pub(crate) path: StorePath,
    /// The store paths of all entries.
    pub(crate) entries: Vec<StorePath>,
}

/// The bill of materials.
pub(crate) struct Bill {
    /// What it is called.
    pub(super) name: String,
    /// Empty if the name of the store path has none.
    pub(super) version: String,
    /// The packer's name and version, with a space between them.
    packer: String,
    pub(super) components: Vec<Component>,
    /// The numbers of the components that entries name, and of those that no other one refers to.
    pub(super) roots: Vec<usize>,
}

impl Bill {
    /// Lists the store paths of a manifest.
    pub(crate) fn new(subject: Subject, manifest: &Manifest, meta: &Meta) -> Bill {
        let paths = &manifest.paths;
        let components: Vec<Component> = paths.iter().map(|p| Component::new(p, meta)).collect();
        let mut is_root = vec![true; paths.len()];
        for number in components.iter().flat_map(|component| &component.references) {
            is_root[*number] = false;
        }
        for (is_root, packed) in is_root.iter_mut().zip(paths) {
            *is_root |= subject.entries.contains(&packed.path);
        }
        let deriver = paths.iter().find(|packed| packed.path == subject.path);
        let deriver = deriver.and_then(|p| p.info.as_ref()).and_then(|info| info.deriver.as_ref());
        Bill {
            name: subject.name,
            version: Name::of(&subject.path, deriver).version,
            packer: manifest.packer.clone(),
            components,
            roots: (0..paths.len()).filter(|number| is_root[*number]).collect(),
        }
    }

    /// The packer's name, and its version.
    pub(super) fn tool(&self) -> (&str, &str) {
        self.packer.split_once(' ').unwrap_or((&self.packer, ""))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use format::{Digest, PackedPath, PathInfo, SIGNATURE_LEN, Signature};

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    pub(crate) fn path(base_name: &str) -> StorePath {
        StorePath::parse(base_name.as_bytes()).unwrap()
    }

    /// A manifest in which markov refers to bash, and bash to glibc.
    pub(crate) fn manifest() -> Manifest {
        let packed = |base_name: &str, references: Vec<u32>| PackedPath {
            path: path(base_name),
            nar_hash: Digest::of(base_name.as_bytes()),
            nar_len: 120,
            key: Digest([0; 32]),
            references,
            is_partial: false,
            info: None,
        };
        let mut paths = vec![packed(GLIBC, vec![]), packed(BASH, vec![0]), packed(MARKOV, vec![1])];
        paths[1].is_partial = true;
        paths[2].info = Some(PathInfo {
            deriver: Some(path(&format!("{MARKOV}.drv"))),
            signatures: vec![Signature { key: "a-1".into(), bytes: [0; SIGNATURE_LEN] }],
            ..PathInfo::default()
        });
        Manifest { packer: "packer 0.1.0".into(), paths, ..Manifest::default() }
    }

    pub(crate) fn bill(meta: &Meta) -> Bill {
        let subject =
            Subject { name: "markov".into(), path: path(MARKOV), entries: vec![path(MARKOV)] };
        Bill::new(subject, &manifest(), meta)
    }

    #[test]
    fn roots_are_entries_and_what_nothing_refers_to() {
        assert_eq!(bill(&Meta::default()).roots, [2]);
        let subject = Subject { name: "sh".into(), path: path(BASH), entries: vec![path(BASH)] };
        assert_eq!(Bill::new(subject, &manifest(), &Meta::default()).roots, [1, 2]);
    }
}
