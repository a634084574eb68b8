//! A recipe: how one piece of the new bundle is made.

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::index::Extent;
use crate::limits;
use crate::wire::{Reader, Writer};

/// A part of the delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaPart {
    /// Bytes.
    pub len: u32,
    /// The digest of these bytes.
    pub digest: Digest,
}

/// How the stub, a section or a frame of the new bundle is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// The old bundle has it: a frame with the same digest, the same stub, the same section.
    Old,
    /// The delta brings it as it is stored.
    Whole(DeltaPart),
    /// The delta brings its content as a zstd frame whose prefix is content of the old bundle. A frame, the manifest and
    /// the index are compressed then; stub and seek table are stored as they are.
    Patched {
        /// The zstd frame.
        part: DeltaPart,
        /// Bytes of the content.
        len: u32,
        /// For a frame, the pieces of the old bundle's tar stream that are the prefix, one after the other. For others,
        /// nothing: the prefix is the old bundle's stub or section.
        from: Vec<Extent>,
        /// Where a block of the compressed frame ends early, so that no store hash shows: bytes of the content, rising.
        breaks: Vec<u32>,
    },
}

/// The encodings of a recipe's kind.
const OLD: u8 = 0;
const WHOLE: u8 = 1;
const PATCHED: u8 = 2;

impl Recipe {
    /// What the delta brings for it.
    pub fn part(&self) -> Option<&DeltaPart> {
        match self {
            Recipe::Old => None,
            Recipe::Whole(part) | Recipe::Patched { part, .. } => Some(part),
        }
    }

    /// The pieces of the old bundle's tar stream that it needs.
    pub fn from(&self) -> &[Extent] {
        match self {
            Recipe::Old | Recipe::Whole(_) => &[],
            Recipe::Patched { from, .. } => from,
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        let tag = match self {
            Recipe::Old => OLD,
            Recipe::Whole(_) => WHOLE,
            Recipe::Patched { .. } => PATCHED,
        };
        writer.u8(tag);
        if let Some(DeltaPart { len, digest }) = self.part() {
            writer.u32(*len);
            writer.bytes(&digest.0);
        }
        if let Recipe::Patched { len, from, breaks, .. } = self {
            writer.u32(*len);
            writer.numbers(Part::Delta, "blocks", breaks)?;
            writer.count(Part::Delta, "pieces", from.len())?;
            for Extent { start, len } in from {
                let what = "bytes in a prefix";
                writer.u64(*start);
                writer.u32(
                    u32::try_from(*len).map_err(|_| Error::Limit { part: Part::Delta, what })?,
                );
            }
        }
        Ok(())
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Recipe, Error> {
        let tag = reader.u8()?;
        if tag == OLD {
            return Ok(Recipe::Old);
        }
        let part = DeltaPart { len: reader.u32()?, digest: Digest(reader.array()?) };
        if u64::from(part.len) > limits::SECTION_LEN {
            return Err(Error::Limit { part: reader.part(), what: "bytes in a part" });
        }
        match tag {
            WHOLE => Ok(Recipe::Whole(part)),
            PATCHED => {
                let len = reader.u32()?;
                if u64::from(len) > limits::SECTION_LEN {
                    return Err(Error::Limit { part: reader.part(), what: "bytes in a content" });
                }
                let breaks = breaks(reader, len)?;
                Ok(Recipe::Patched { part, len, breaks, from: extents(reader)? })
            }
            _ => Err(reader.invalid("a recipe is of an unknown kind")),
        }
    }
}

/// Reads rising positions in a content of `len` bytes.
fn breaks(reader: &mut Reader<'_>, len: u32) -> Result<Vec<u32>, Error> {
    let count = reader.count(len, 4, "blocks")?;
    let mut breaks: Vec<u32> = Vec::with_capacity(count);
    for _ in 0..count {
        let position = reader.u32()?;
        if position >= len || breaks.last().is_some_and(|last| *last >= position) {
            return Err(reader.invalid("the ends of blocks are not in order"));
        }
        breaks.push(position);
    }
    Ok(breaks)
}

/// Reads rising extents that do not overlap, and are not too long together.
fn extents(reader: &mut Reader<'_>) -> Result<Vec<Extent>, Error> {
    let count = reader.count(u32::MAX, 12, "pieces")?;
    let mut extents: Vec<Extent> = Vec::with_capacity(count);
    let mut sum: u64 = 0;
    for _ in 0..count {
        let extent = Extent { start: reader.u64()?, len: reader.u32()?.into() };
        let is_behind = extents.last().is_none_or(|last| last.end() <= extent.start);
        if !is_behind || extent.len == 0 || extent.start.checked_add(extent.len).is_none() {
            return Err(reader.invalid("the pieces of the tar stream are not in order"));
        }
        sum = sum.saturating_add(extent.len);
        if sum > limits::PREFIX_LEN.into() {
            return Err(Error::Limit { part: reader.part(), what: "bytes in a prefix" });
        }
        extents.push(extent);
    }
    Ok(extents)
}
