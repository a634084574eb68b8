//! The sections, each in a skippable frame (RFC 8878, section 3.1.2): a magic number, a u32 length,
//! the content.

use crate::error::Part;

/// Bytes of a skippable frame before its content.
pub const SKIPPABLE_HEADER_LEN: usize = 8;

/// A kind of section. Sections follow the frames of the tar stream, each in a skippable frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// The list of store paths.
    Manifest,
    /// The list of files.
    Index,
    /// The table of frames.
    SeekTable,
}

impl SectionKind {
    /// All sections, in the order of the file.
    pub const ALL: [SectionKind; 3] =
        [SectionKind::Manifest, SectionKind::Index, SectionKind::SeekTable];

    /// The section's name in error messages.
    pub fn part(self) -> Part {
        match self {
            SectionKind::Manifest => Part::Manifest,
            SectionKind::Index => Part::Index,
            SectionKind::SeekTable => Part::SeekTable,
        }
    }

    /// Returns the header of the section's skippable frame, for a content of `len` bytes.
    pub fn header(self, len: u32) -> [u8; SKIPPABLE_HEADER_LEN] {
        let magic: u32 = match self {
            SectionKind::Manifest => 0x184D_2A50,
            SectionKind::Index => 0x184D_2A51,
            // The zstd seekable format defines this number.
            SectionKind::SeekTable => 0x184D_2A5E,
        };
        let [a, b, c, d] = magic.to_le_bytes();
        let [e, f, g, h] = len.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}
