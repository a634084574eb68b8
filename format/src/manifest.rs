//! The manifest: the list of a bundle's store paths.

use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::limits;
use crate::store_path::{StoreHash, StorePath};
use crate::wire::{Reader, Writer};

/// A store path of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPath {
    /// The store path.
    pub path: StorePath,
    /// SHA-256 of its NAR, as packed: without files that the packer excluded.
    pub nar_hash: Digest,
    /// Bytes of that NAR.
    pub nar_len: u64,
    /// The content key: a digest of the store path and of everything that it refers to, directly or
    /// indirectly.
    ///
    /// Two store paths with the same key have the same files, also after relocation.
    pub key: Digest,
    /// The store paths that it refers to, without itself: sorted indexes into [`Manifest::paths`].
    pub references: Vec<u32>,
}

/// What the packer found about relocation, as text for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Files in which references cannot be rewritten, and why.
    pub obstacles: Vec<String>,
    /// Files of which nobody knows whether they are right after references are rewritten. Version 1 has none.
    pub doubts: Vec<String>,
    /// Obstacles and doubts that the packager overrules. Version 1 has none.
    pub vouched: Vec<String>,
}

/// The manifest: the list of a bundle's store paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The packer's name and version.
    pub packer: String,
    /// Whether references can be rewritten: the first of the reasons.
    pub findings: Findings,
    /// The store paths, sorted by base name.
    pub paths: Vec<PackedPath>,
}

impl PackedPath {
    /// Computes the content key of a store path.
    ///
    /// `references` has the keys of the store paths that it refers to, sorted by base name.
    pub fn compute_key(path: &StorePath, nar_hash: Digest, references: &[Digest]) -> Digest {
        let mut writer = Writer::default();
        writer.bytes(b"packer content key 1\n");
        writer.bytes(&path.hash().0);
        writer.bytes(&nar_hash.0);
        for key in references {
            writer.bytes(&key.0);
        }
        writer.bytes(path.name().as_bytes());
        Digest::of(&writer.bytes)
    }
}

impl Manifest {
    /// Encodes the manifest, uncompressed.
    ///
    /// # Errors
    ///
    /// If it exceeds a limit of the format.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let part = Part::Manifest;
        let mut writer = Writer::default();
        writer.short(part, "bytes in the packer's name", self.packer.as_bytes())?;
        let Findings { obstacles, doubts, vouched } = &self.findings;
        for list in [obstacles, doubts, vouched] {
            writer.count(part, "findings", list.len())?;
            for finding in list {
                writer.short(part, "bytes in a finding", finding.as_bytes())?;
            }
        }
        writer.count(part, "store paths", self.paths.len())?;
        for path in &self.paths {
            writer.bytes(&path.path.hash().0);
            writer.short(part, "bytes in a name", path.path.name().as_bytes())?;
            writer.bytes(&path.nar_hash.0);
            writer.u64(path.nar_len);
            writer.bytes(&path.key.0);
            writer.count(part, "references", path.references.len())?;
            path.references.iter().for_each(|number| writer.u32(*number));
        }
        Ok(writer.bytes)
    }

    /// Decodes an uncompressed manifest of a bundle of this version.
    ///
    /// # Errors
    ///
    /// If [`Manifest::encode`] does not write such bytes.
    pub fn decode(bytes: &[u8], version: u32) -> Result<Manifest, Error> {
        let mut reader = Reader::new(Part::Manifest, bytes);
        let packer = text(&mut reader)?;
        let obstacles = texts(&mut reader)?;
        let (doubts, vouched) = match version {
            1 => (Vec::new(), Vec::new()),
            _ => (texts(&mut reader)?, texts(&mut reader)?),
        };
        let findings = Findings { obstacles, doubts, vouched };
        let count = reader.count(limits::STORE_PATHS, 98, "store paths")?;
        let mut paths: Vec<PackedPath> = Vec::with_capacity(count);
        for _ in 0..count {
            let path = decode_path(&mut reader, count)?;
            if path.references.iter().any(|number| usize::try_from(*number) == Ok(paths.len())) {
                return Err(reader.invalid("a store path refers to itself"));
            }
            if paths.last().is_some_and(|last| base_name(&last.path) >= base_name(&path.path)) {
                return Err(reader.invalid("the store paths are not in order"));
            }
            paths.push(path);
        }
        reader.finish()?;
        Ok(Manifest { packer, findings, paths })
    }
}

fn texts(reader: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    (0..reader.count(u32::MAX, 2, "findings")?).map(|_| text(reader)).collect()
}

fn text(reader: &mut Reader<'_>) -> Result<String, Error> {
    let text = core::str::from_utf8(reader.short()?);
    text.map(String::from).map_err(|_| reader.invalid("a text is not valid UTF-8"))
}

fn base_name(path: &StorePath) -> ([u8; 32], &str) {
    (path.hash().text(), path.name())
}

fn decode_path(reader: &mut Reader<'_>, count: usize) -> Result<PackedPath, Error> {
    let hash = StoreHash(reader.array()?);
    let path = StorePath::new(hash, reader.short()?)
        .map_err(|_| reader.invalid("a store path has an invalid name"))?;
    let nar_hash = Digest(reader.array()?);
    let nar_len = reader.u64()?;
    let key = Digest(reader.array()?);
    let mut references = Vec::new();
    for _ in 0..reader.count(limits::STORE_PATHS, 4, "references")? {
        let number = reader.u32()?;
        if usize::try_from(number).is_ok_and(|number| number < count)
            && references.last().is_none_or(|last| *last < number)
        {
            references.push(number);
        } else {
            return Err(reader.invalid("a reference is out of order or names no store path"));
        }
    }
    Ok(PackedPath { path, nar_hash, nar_len, key, references })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn decode(bytes: &[u8]) -> Result<Manifest, Error> {
        Manifest::decode(bytes, crate::BUNDLE_VERSION)
    }

    #[test]
    fn version_1_has_obstacles_only() {
        let mut old = manifest();
        old.findings = Findings { obstacles: vec!["a bare hash".into()], ..Findings::default() };
        let bytes = old.encode().unwrap();
        // Two empty lists stand behind the obstacles.
        let at = 2 + old.packer.len() + 4 + 2 + 11;
        let bytes = [&bytes[..at], &bytes[at + 8..]].concat();
        assert_eq!(Manifest::decode(&bytes, 1), Ok(old));
    }

    fn manifest() -> Manifest {
        let path = |base_name: &str, references| PackedPath {
            path: StorePath::parse(base_name.as_bytes()).unwrap(),
            nar_hash: Digest::of(b"nar"),
            nar_len: 120,
            key: Digest::of(b"key"),
            references,
        };
        Manifest {
            packer: "packer 0.1.0".into(),
            findings: Findings {
                obstacles: vec!["a bare hash".into()],
                doubts: vec!["a database".into()],
                vouched: vec!["another".into()],
            },
            paths: vec![
                path("1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc", vec![]),
                path("2b9p07z77phvv2hf6gm9f28syp39f1ag-markov", vec![0]),
            ],
        }
    }

    #[test]
    fn round_trips() {
        let bytes = manifest().encode().unwrap();
        assert_eq!(decode(&bytes), Ok(manifest()));
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn invalid_manifests_are_refused() {
        let mut swapped = manifest();
        swapped.paths.swap(0, 1);
        let mut twice = manifest();
        twice.paths[1].path = twice.paths[0].path.clone();
        let mut out_of_range = manifest();
        out_of_range.paths[0].references = vec![2];
        let mut itself = manifest();
        itself.paths[0].references = vec![0];
        let mut unordered = manifest();
        unordered.paths[0].references = vec![1, 0];
        for bad in [swapped, twice, out_of_range, itself, unordered] {
            assert!(decode(&bad.encode().unwrap()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn huge_count_is_refused_before_it_is_allocated() {
        let mut bytes = manifest().encode().unwrap();
        bytes[60..64].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(decode(&bytes), Err(Error::Limit { .. })));
        bytes[60..64].copy_from_slice(&limits::STORE_PATHS.to_le_bytes());
        assert_eq!(decode(&bytes), Err(Error::Length(Part::Manifest)));
    }
}
