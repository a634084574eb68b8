//! Skippable frames, as RFC 8878 section 3.1.2 defines them: a magic number, a u32 length, content.

/// Bytes before a skippable frame's content.
pub const SKIPPABLE_HEADER_LEN: u32 = 8;

/// The magic number of the frame that holds the manifest.
pub const MANIFEST_MAGIC: u32 = 0x184D_2A50;

/// The magic number of the frame that holds the index.
pub const INDEX_MAGIC: u32 = 0x184D_2A51;

/// The magic number of the seek table's frame, set by the zstd seekable format.
pub const SEEK_TABLE_MAGIC: u32 = 0x184D_2A5E;
