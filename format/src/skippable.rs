//! The sections' skippable frames, as RFC 8878 section 3.1.2 defines them: a magic number, a u32 length, content.

use crate::error::Part;

/// Bytes before a skippable frame's content.
pub const SKIPPABLE_HEADER_LEN: usize = 8;

/// A section: what stands in a skippable frame behind the frames of the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// What the bundle is.
    Manifest,
    /// The list of files.
    Index,
    /// The table of frames.
    SeekTable,
}

impl SectionKind {
    /// All sections, in the order in which they lie in the file.
    pub const ALL: [SectionKind; 3] =
        [SectionKind::Manifest, SectionKind::Index, SectionKind::SeekTable];

    /// The section's name for errors.
    pub fn part(self) -> Part {
        match self {
            SectionKind::Manifest => Part::Manifest,
            SectionKind::Index => Part::Index,
            SectionKind::SeekTable => Part::SeekTable,
        }
    }

    /// The header of its frame, for a content of `len` bytes.
    pub fn header(self, len: u32) -> [u8; SKIPPABLE_HEADER_LEN] {
        let magic: u32 = match self {
            SectionKind::Manifest => 0x184D_2A50,
            SectionKind::Index => 0x184D_2A51,
            // Set by the zstd seekable format.
            SectionKind::SeekTable => 0x184D_2A5E,
        };
        let [a, b, c, d] = magic.to_le_bytes();
        let [e, f, g, h] = len.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}
