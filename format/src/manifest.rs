//! The manifest: the list of a bundle's store paths.

use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::limits;
use crate::path_info::PathInfo;
use crate::store_path::StorePath;
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
    /// Whether files of it were left out: its NAR is not the one that Nix knows. Unknown in versions 1 and 2.
    pub is_partial: bool,
    /// What Nix knows of it, if a database or a binary cache was asked. Versions 1 and 2 do not have it.
    pub info: Option<PathInfo>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The packer's name and version.
    pub packer: String,
    /// Whether references can be rewritten: the first of the reasons.
    pub findings: Findings,
    /// The store paths, sorted by base name.
    pub paths: Vec<PackedPath>,
    /// Whether the packager took store paths from binary caches for which nobody vouched.
    pub is_unchecked: bool,
    /// A list of the content for other programs (a software bill of materials), as JSON; empty if there is none.
    pub sbom: String,
    /// For entries that do not need all store paths: those that they need, as rising indexes into `paths`. Versions 1
    /// to 4 have none.
    pub subsets: Vec<Vec<u32>>,
    /// What the packer left out to save room, sorted by rule. Versions 1 to 4 do not say it.
    pub left_out: Vec<LeftOut>,
    /// How the bundle is published. Versions 1 to 4 do not say it.
    pub release: Release,
    /// The digest of the stub, with zeros in place of the descriptor. Versions 1 to 4 do not have it.
    pub stub: Option<Digest>,
}

/// What one rule left out of the store paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The rule's name, for people.
    pub rule: String,
    /// The number of files that it changed or left out.
    pub files: u64,
    /// By how many bytes they became shorter.
    pub bytes: u64,
}

/// How a bundle is published; each text is empty if it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: String,
    /// Where newer versions are.
    pub url: String,
    /// The minisign public key of who signs them, in base64.
    pub key: String,
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
            path.path.encode(part, &mut writer)?;
            writer.bytes(&path.nar_hash.0);
            writer.u64(path.nar_len);
            writer.bytes(&path.key.0);
            writer.numbers(part, "references", &path.references)?;
            writer.u8(u8::from(path.is_partial));
            writer.count(part, "descriptions", path.info.iter().count())?;
            path.info.iter().try_for_each(|info| info.encode(&mut writer))?;
        }
        writer.u8(u8::from(self.is_unchecked));
        writer.count(part, "bytes in the bill of materials", self.sbom.len())?;
        writer.bytes(self.sbom.as_bytes());
        writer.count(part, "subsets", self.subsets.len())?;
        for subset in &self.subsets {
            writer.numbers(part, "store paths", subset)?;
        }
        writer.count(part, "rules", self.left_out.len())?;
        for LeftOut { rule, files, bytes } in &self.left_out {
            writer.short(part, "bytes in a rule's name", rule.as_bytes())?;
            writer.u64(*files);
            writer.u64(*bytes);
        }
        let Release { version, url, key } = &self.release;
        for text in [version, url, key] {
            writer.short(part, "bytes in what a release is", text.as_bytes())?;
        }
        writer.count(part, "stubs", self.stub.iter().count())?;
        self.stub.iter().for_each(|stub| writer.bytes(&stub.0));
        Ok(writer.bytes)
    }

    /// Decodes an uncompressed manifest of a bundle of this version.
    ///
    /// # Errors
    ///
    /// If [`Manifest::encode`] does not write such bytes.
    pub fn decode(bytes: &[u8], version: u32) -> Result<Manifest, Error> {
        let mut reader = Reader::new(Part::Manifest, bytes);
        let packer = reader.text()?;
        let obstacles = texts(&mut reader)?;
        let (doubts, vouched) = match version {
            1 => (Vec::new(), Vec::new()),
            _ => (texts(&mut reader)?, texts(&mut reader)?),
        };
        let findings = Findings { obstacles, doubts, vouched };
        let count = reader.count(limits::STORE_PATHS, 98, "store paths")?;
        let mut paths: Vec<PackedPath> = Vec::with_capacity(count);
        for _ in 0..count {
            let path = decode_path(&mut reader, count, version)?;
            if path.references.iter().any(|number| usize::try_from(*number) == Ok(paths.len())) {
                return Err(reader.invalid("a store path refers to itself"));
            }
            if paths.last().is_some_and(|last| last.path.base_name() >= path.path.base_name()) {
                return Err(reader.invalid("the store paths are not in order"));
            }
            paths.push(path);
        }
        let (is_unchecked, sbom) = match version {
            1 | 2 => (false, String::new()),
            _ => (flag(&mut reader)?, long(&mut reader)?),
        };
        let (subsets, left_out, release, stub) = match version {
            1..=4 => (Vec::new(), Vec::new(), Release::default(), None),
            _ => (
                (0..reader.count(u16::MAX.into(), 4, "subsets")?)
                    .map(|_| reader.rising(count))
                    .collect::<Result<_, Error>>()?,
                left_out(&mut reader)?,
                Release { version: reader.text()?, url: reader.text()?, key: reader.text()? },
                match reader.count(1, 32, "stubs")? {
                    0 => None,
                    _ => Some(Digest(reader.array()?)),
                },
            ),
        };
        reader.finish()?;
        Ok(Manifest {
            packer,
            findings,
            paths,
            is_unchecked,
            sbom,
            subsets,
            left_out,
            release,
            stub,
        })
    }

    /// Whether store path `number` is in a subset; all are, if none is given.
    pub fn is_in(&self, subset: Option<u16>, number: usize) -> bool {
        let Some(subset) = subset.and_then(|subset| self.subsets.get(usize::from(subset))) else {
            return subset.is_none();
        };
        u32::try_from(number).is_ok_and(|number| subset.binary_search(&number).is_ok())
    }
}

fn left_out(reader: &mut Reader<'_>) -> Result<Vec<LeftOut>, Error> {
    let all = (0..reader.count(u32::MAX, 18, "rules")?)
        .map(|_| Ok(LeftOut { rule: reader.text()?, files: reader.u64()?, bytes: reader.u64()? }))
        .collect::<Result<Vec<LeftOut>, Error>>()?;
    match all.is_sorted_by(|a, b| a.rule < b.rule) {
        true => Ok(all),
        false => Err(reader.invalid("the rules are not in order")),
    }
}

fn texts(reader: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    (0..reader.count(u32::MAX, 2, "findings")?).map(|_| reader.text()).collect()
}

/// Reads a byte that is 0 or 1.
fn flag(reader: &mut Reader<'_>) -> Result<bool, Error> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.invalid("a flag is neither 0 nor 1")),
    }
}

/// Reads a u32 length and that many bytes of UTF-8.
fn long(reader: &mut Reader<'_>) -> Result<String, Error> {
    let len = reader.count(u32::MAX, 1, "bytes in the bill of materials")?;
    let text = core::str::from_utf8(reader.bytes(len)?);
    text.map(String::from).map_err(|_| reader.invalid("a text is not valid UTF-8"))
}

fn decode_path(reader: &mut Reader<'_>, count: usize, version: u32) -> Result<PackedPath, Error> {
    let path = StorePath::decode(reader)?;
    let nar_hash = Digest(reader.array()?);
    let nar_len = reader.u64()?;
    let key = Digest(reader.array()?);
    let references = reader.rising(count)?;
    let (is_partial, info) = match version {
        1 | 2 => (false, None),
        _ => (
            flag(reader)?,
            match reader.count(1, 18, "descriptions")? {
                0 => None,
                _ => Some(PathInfo::decode(reader, count)?),
            },
        ),
    };
    Ok(PackedPath { path, nar_hash, nar_len, key, references, is_partial, info })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::path_info::{SIGNATURE_LEN, Signature};

    fn decode(bytes: &[u8]) -> Result<Manifest, Error> {
        Manifest::decode(bytes, crate::BUNDLE_VERSION)
    }

    #[test]
    fn old_versions_have_less() {
        let mut old = manifest();
        old.findings = Findings { obstacles: vec!["a bare hash".into()], ..Findings::default() };
        old.paths.pop();
        (old.is_unchecked, old.sbom) = (false, String::new());
        (old.subsets, old.left_out, old.release, old.stub) =
            (vec![], vec![], Release::default(), None);
        let bytes = old.encode().unwrap();
        // Behind the bill of materials: no subset, no rule, three texts that are empty, and no stub.
        let bytes = &bytes[..bytes.len() - 18];
        for version in [3, 4] {
            assert_eq!(Manifest::decode(bytes, version), Ok(old.clone()));
        }
        // Behind the only store path: no files were left out, Nix was not asked; nothing is unchecked, and no bill.
        let second = &bytes[..bytes.len() - 10];
        assert_eq!(Manifest::decode(second, 2), Ok(old.clone()));
        // Two empty lists stand behind the obstacles.
        let at = 2 + old.packer.len() + 4 + 2 + 11;
        let first = [&second[..at], &second[at + 8..]].concat();
        assert_eq!(Manifest::decode(&first, 1), Ok(old));
    }

    fn manifest() -> Manifest {
        let path = |base_name: &str, references| PackedPath {
            path: StorePath::parse(base_name.as_bytes()).unwrap(),
            nar_hash: Digest::of(b"nar"),
            nar_len: 120,
            key: Digest::of(b"key"),
            references,
            is_partial: false,
            info: None,
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
                PackedPath {
                    is_partial: true,
                    info: Some(info()),
                    ..path("2b9p07z77phvv2hf6gm9f28syp39f1ag-markov", vec![0])
                },
            ],
            is_unchecked: true,
            sbom: "{}".into(),
            subsets: vec![vec![0], vec![0, 1]],
            left_out: ["doc", "man"]
                .map(|rule| LeftOut { rule: rule.into(), files: 2, bytes: 9 })
                .into(),
            release: Release {
                version: "1.2".into(),
                url: "https://example.org/markov".into(),
                key: "RWQ".into(),
            },
            stub: Some(Digest::of(b"stub")),
        }
    }

    #[test]
    fn subsets_have_their_store_paths() {
        let manifest = manifest();
        let has = |subset| [0, 1, 2].map(|number| manifest.is_in(subset, number));
        assert_eq!(has(None), [true; 3]);
        assert_eq!(has(Some(0)), [true, false, false]);
        assert_eq!(has(Some(1)), [true, true, false]);
        assert_eq!(has(Some(2)), [false; 3]);
    }

    fn info() -> PathInfo {
        let path = |base_name: &[u8]| StorePath::parse(base_name).unwrap();
        let signature = |key: &str| Signature { key: key.into(), bytes: [7; SIGNATURE_LEN] };
        PathInfo {
            references: vec![0, 1],
            elsewhere: vec![
                path(b"3b9p07z77phvv2hf6gm9f28syp39f1ag-doc"),
                path(b"4b9p07z77phvv2hf6gm9f28syp39f1ag-man"),
            ],
            deriver: Some(path(b"5b9p07z77phvv2hf6gm9f28syp39f1ag-markov.drv")),
            content_address: "text:sha256:x".into(),
            signatures: vec![signature("a-1"), signature("b-1")],
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
        let with = |change: fn(&mut PathInfo)| {
            let mut bad = manifest();
            change(bad.paths[1].info.as_mut().unwrap());
            bad
        };
        let unknown = with(|info| info.references = vec![2]);
        let mixed = with(|info| info.elsewhere.swap(0, 1));
        let doubled = with(|info| info.signatures = vec![info.signatures[0].clone(); 2]);
        let (mut far, mut falling, mut rules) = (manifest(), manifest(), manifest());
        far.subsets[0] = vec![2];
        falling.subsets[1] = vec![1, 0];
        rules.left_out.swap(0, 1);
        for bad in [
            swapped,
            twice,
            out_of_range,
            itself,
            unordered,
            unknown,
            mixed,
            doubled,
            far,
            falling,
            rules,
        ] {
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
