//! The delta: a file that says how a new bundle is made from an old one, and brings what the old one lacks.
//!
//! `docs/delta-format.md` describes it. This is its start and its head; parts follow them, of which the head has the
//! lengths and digests.

mod recipe;

use alloc::vec::Vec;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Part};
use crate::limits;
use crate::skippable::SectionKind;
use crate::store_path::StoreHash;
use crate::wire::{Reader, Writer};

pub use recipe::{DeltaPart, Recipe};

/// The version of the delta that this crate writes, and the only one that it reads.
pub const DELTA_VERSION: u32 = 1;

/// Bytes before the head: the magic bytes, the version, the head's length, and the digest.
pub const DELTA_START_LEN: usize = MAGIC.len() + 4 + 4 + 32;

const MAGIC: [u8; 8] = *b"packdelt";

/// The settings of zstd that compressed the new bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The version of zstd, as `ZSTD_versionNumber` gives it. Another version makes other bytes.
    pub zstd: u32,
    /// The compression level, 1 to 22.
    pub level: u8,
    /// The window's binary logarithm, 10 to 27; 0 for the one that zstd chooses.
    pub window_log: u8,
    /// The binary logarithm of the search tree's length, 6 to 28; 0 for the one that zstd chooses.
    pub chain_log: u8,
}

/// A store path of the old bundle that has another hash in the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The store path: an index into the old bundle's [`crate::Manifest::paths`].
    pub path: u32,
    /// The hash in the new bundle.
    pub hash: StoreHash,
}

/// What a delta does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The identity of the bundle that it is applied to.
    pub old: Digest,
    /// The identity of the bundle that it makes.
    pub new: Digest,
    /// How frames and sections are compressed again.
    pub compression: Compression,
    /// Hashes to replace in what is taken from the old bundle as a prefix: store paths rising.
    pub renames: Vec<Rename>,
    /// The stub, and the digest of all its bytes, descriptor included.
    pub stub: (Recipe, Digest),
    /// The sections, in the order of [`SectionKind::ALL`].
    pub sections: [Recipe; 3],
    /// The frames of the tar stream, in the order of the new bundle.
    pub frames: Vec<Recipe>,
}

/// The start of a delta: how long the head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaStart {
    /// Bytes of the head, which follow.
    pub head_len: u32,
    digest: Digest,
}

impl DeltaStart {
    /// Decodes the first bytes of a file.
    ///
    /// # Errors
    ///
    /// If the file is no delta, or one of another version.
    pub fn decode(bytes: &[u8; DELTA_START_LEN]) -> Result<DeltaStart, Error> {
        let mut reader = Reader::new(Part::Delta, bytes);
        if reader.array()? != MAGIC {
            return Err(reader.invalid("it does not begin as one"));
        }
        match reader.u32()? {
            DELTA_VERSION => {}
            found => return Err(Error::DeltaVersion { found }),
        }
        let head_len = reader.u32()?;
        if head_len > limits::DELTA_HEAD_LEN {
            return Err(Error::Limit { part: Part::Delta, what: "bytes" });
        }
        Ok(DeltaStart { head_len, digest: Digest(reader.array()?) })
    }
}

impl Delta {
    /// All recipes, in the order of their parts in the file.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        [&self.stub.0].into_iter().chain(&self.sections).chain(&self.frames)
    }

    /// Bytes of all parts, which follow the head.
    pub fn parts_len(&self) -> u64 {
        let parts = self.recipes().filter_map(Recipe::part);
        parts.fold(0, |len: u64, part| len.saturating_add(part.len.into()))
    }

    /// The recipe of a section.
    pub fn section(&self, kind: SectionKind) -> &Recipe {
        let [manifest, index, seek_table] = &self.sections;
        match kind {
            SectionKind::Manifest => manifest,
            SectionKind::Index => index,
            SectionKind::SeekTable => seek_table,
        }
    }

    /// Encodes the start and the head.
    ///
    /// # Errors
    ///
    /// If the head exceeds a limit.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let part = Part::Delta;
        let mut writer = Writer::default();
        writer.bytes(&self.old.0);
        writer.bytes(&self.new.0);
        let Compression { zstd, level, window_log, chain_log } = self.compression;
        writer.u32(zstd);
        writer.u8(level);
        writer.u8(window_log);
        writer.u8(chain_log);
        writer.count(part, "store paths", self.renames.len())?;
        for Rename { path, hash } in &self.renames {
            writer.u32(*path);
            writer.bytes(&hash.0);
        }
        let (stub, digest) = &self.stub;
        stub.encode(&mut writer)?;
        writer.bytes(&digest.0);
        self.sections.iter().try_for_each(|recipe| recipe.encode(&mut writer))?;
        writer.count(part, "frames", self.frames.len())?;
        self.frames.iter().try_for_each(|recipe| recipe.encode(&mut writer))?;
        let head = writer.bytes;
        let len = u32::try_from(head.len()).ok().filter(|len| *len <= limits::DELTA_HEAD_LEN);
        let mut start = Writer::default();
        start.bytes(&MAGIC);
        start.u32(DELTA_VERSION);
        start.u32(len.ok_or(Error::Limit { part, what: "frames" })?);
        let digest = digest_of(&start.bytes, &head);
        start.bytes(&digest.0);
        start.bytes(&head);
        Ok(start.bytes)
    }

    /// Decodes the head.
    ///
    /// # Errors
    ///
    /// If its digest is not the one that the start has, or no packer writes such a head.
    pub fn decode(start: &DeltaStart, head: &[u8]) -> Result<Delta, Error> {
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.u32(DELTA_VERSION);
        writer.u32(start.head_len);
        if digest_of(&writer.bytes, head) != start.digest {
            return Err(Error::Digest(Part::Delta));
        }
        let mut reader = Reader::new(Part::Delta, head);
        let (old, new) = (Digest(reader.array()?), Digest(reader.array()?));
        let compression = Compression {
            zstd: reader.u32()?,
            level: reader.u8()?,
            window_log: reader.u8()?,
            chain_log: reader.u8()?,
        };
        let Compression { level, window_log, chain_log, .. } = compression;
        if !matches!((level, window_log, chain_log), (1..=22, 0 | 10..=27, 0 | 6..=28)) {
            return Err(reader.invalid("a setting of zstd is out of range"));
        }
        let count = reader.count(limits::STORE_PATHS, 24, "store paths")?;
        let mut renames: Vec<Rename> = Vec::with_capacity(count);
        for _ in 0..count {
            let rename = Rename { path: reader.u32()?, hash: StoreHash(reader.array()?) };
            if renames.last().is_some_and(|last| last.path >= rename.path) {
                return Err(reader.invalid("the renamed store paths are not in order"));
            }
            renames.push(rename);
        }
        let stub = (Recipe::decode(&mut reader)?, Digest(reader.array()?));
        let mut section = || Recipe::decode(&mut reader);
        let sections = [section()?, section()?, section()?];
        let frames = (0..reader.count(limits::FRAMES, 1, "frames")?)
            .map(|_| Recipe::decode(&mut reader))
            .collect::<Result<_, Error>>()?;
        reader.finish()?;
        let delta = Delta { old, new, compression, renames, stub, sections, frames };
        // Stub and sections have one counterpart in the old bundle, so they need not name it.
        if delta.recipes().take(4).any(|recipe| !recipe.from().is_empty()) {
            let rule = "a part that is no frame names pieces of the tar stream";
            return Err(Error::Value { part: Part::Delta, rule });
        }
        Ok(delta)
    }
}

fn digest_of(start: &[u8], head: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(start);
    hasher.update(head);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::index::Extent;

    fn delta() -> Delta {
        let part = |len| DeltaPart { len, digest: Digest::of(b"part") };
        let from = vec![Extent { start: 0, len: 10 }, Extent { start: 10, len: 1 << 20 }];
        let frame = Recipe::Patched { part: part(70), len: 1000, from, breaks: vec![1, 999] };
        Delta {
            old: Digest::of(b"old"),
            new: Digest::of(b"new"),
            compression: Compression { zstd: 10507, level: 19, window_log: 24, chain_log: 25 },
            renames: vec![
                Rename { path: 0, hash: StoreHash([1; 20]) },
                Rename { path: 7, hash: StoreHash([2; 20]) },
            ],
            stub: (Recipe::Old, Digest::of(b"stub")),
            sections: [
                Recipe::Whole(part(5)),
                Recipe::Patched { part: part(6), len: 400, from: Vec::new(), breaks: Vec::new() },
                Recipe::Old,
            ],
            frames: vec![Recipe::Old, frame, Recipe::Whole(part(8))],
        }
    }

    fn decode(bytes: &[u8]) -> Result<Delta, Error> {
        let (start, head) = bytes.split_first_chunk().ok_or(Error::Length(Part::Delta))?;
        Delta::decode(&DeltaStart::decode(start)?, head)
    }

    #[test]
    fn round_trips() {
        let bytes = delta().encode().unwrap();
        assert_eq!(decode(&bytes).unwrap(), delta());
        assert_eq!(delta().parts_len(), 5 + 6 + 70 + 8);
    }

    #[test]
    fn damage_is_refused() {
        let good = delta().encode().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "flipped {at}");
            assert!(decode(&good[..at]).is_err(), "cut to {at}");
        }
        assert!(decode(&[&good[..], b"x"].concat()).is_err());
        let mut other = good.clone();
        other[8] = 9;
        assert_eq!(decode(&other), Err(Error::DeltaVersion { found: 9 }));
        other[8] = 1;
        other[15] = 0xff;
        assert!(matches!(decode(&other), Err(Error::Limit { .. })));
    }

    #[test]
    fn what_no_packer_writes_is_refused() {
        let refused = |change: fn(&mut Delta)| {
            let mut delta = delta();
            change(&mut delta);
            decode(&delta.encode().unwrap()).unwrap_err()
        };
        let patched = |from: &[(u64, u64)]| {
            let from = from.iter().map(|(start, len)| Extent { start: *start, len: *len });
            let mut delta = delta();
            let part = DeltaPart { len: 1, digest: Digest::of(b"") };
            delta.frames =
                vec![Recipe::Patched { part, len: 1, from: from.collect(), breaks: Vec::new() }];
            decode(&delta.encode().unwrap())
        };
        for change in [
            (|delta| delta.compression.level = 23) as fn(&mut Delta),
            |delta| delta.compression.level = 0,
            |delta| delta.compression.window_log = 28,
            |delta| delta.compression.chain_log = 29,
            |delta| delta.renames[1].path = 0,
            |delta| delta.stub.0 = delta.frames[1].clone(),
            |delta| delta.sections[0] = delta.frames[1].clone(),
        ] {
            refused(change);
        }
        assert!(patched(&[(0, 5), (5, 5)]).is_ok());
        assert!(patched(&[]).is_ok());
        for from in [
            &[(0, 5), (4, 5)][..],
            &[(5, 5), (0, 5)],
            &[(5, 0)],
            &[(u64::MAX, 1)],
            &[(0, u64::from(limits::PREFIX_LEN) + 1)],
        ] {
            assert!(patched(from).is_err(), "{from:?}");
        }
    }
}
