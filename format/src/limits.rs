//! The bounds of the format.
//!
//! A reader refuses what is over a limit before it allocates for it. Raising one keeps old bundles
//! readable; lowering one does not.

/// Bytes of a frame's content; a reader needs one buffer of this size for each thread.
///
/// The packer's default is far below it. The highest level uses long frames.
pub const FRAME_LEN: u32 = 128 << 20;

/// Bytes of a compressed frame: what zstd makes of [`FRAME_LEN`] incompressible bytes at worst.
pub const COMPRESSED_FRAME_LEN: u32 = FRAME_LEN + (FRAME_LEN >> 8) + 64;

/// Frames of one bundle: the seekable zstd format allows no more.
pub const FRAMES: u32 = 0x0800_0000;

/// Bytes of the manifest, and of the index, before compression.
///
/// One entry takes at least [`crate::Index`]'s 7 bytes, so this also bounds a reader's memory.
pub const SECTION_LEN: u64 = 512 << 20;

/// Store paths of one bundle.
pub const STORE_PATHS: u32 = 1 << 20;

/// Files, directories and links of one bundle, together.
pub const NODES: u32 = 4 << 20;

/// Bytes of a file name, as on every Linux file system (`NAME_MAX`).
pub const FILE_NAME_LEN: u16 = 255;

/// Bytes of a link's target: `PATH_MAX` (4096) counts a terminating NUL.
pub const LINK_TARGET_LEN: u16 = 4095;

/// Directories above a file, below its store path.
///
/// Keeps work for each file bounded; a path of this depth is far over `PATH_MAX` already.
pub const DEPTH: usize = 8192;
