//! The limits of the format.
//!
//! A reader checks a limit before it allocates memory. A higher limit keeps old bundles readable; a
//! lower limit does not.

/// Bytes of a frame's content. A reader needs one buffer of this size for each thread.
///
/// The packer's default is far lower. The highest compression level uses long frames.
pub const FRAME_LEN: u32 = 128 << 20;

/// Bytes of a compressed frame: the most that zstd needs for [`FRAME_LEN`] incompressible bytes.
pub const COMPRESSED_FRAME_LEN: u32 = FRAME_LEN + (FRAME_LEN >> 8) + 64;

/// Frames of one bundle. The zstd seekable format allows no more.
pub const FRAMES: u32 = 0x0800_0000;

/// Bytes of the manifest, and of the index, before compression.
///
/// A node takes at least 7 bytes in the [index](crate::Index), so this also limits a reader's
/// memory.
pub const SECTION_LEN: u64 = 512 << 20;

/// Store paths of one bundle.
pub const STORE_PATHS: u32 = 1 << 20;

/// Files, directories and links of one bundle in total.
pub const NODES: u32 = 4 << 20;

/// Bytes of a file name: `NAME_MAX`, the limit of every Linux file system.
pub const FILE_NAME_LEN: u16 = 255;

/// Bytes of a link's target: `PATH_MAX` (4096) minus the terminating NUL.
pub const LINK_TARGET_LEN: u16 = 4095;

/// Levels of nested directories in a store path.
///
/// This limits the work for each file. A path of this depth is far longer than `PATH_MAX`.
pub const DEPTH: usize = 8192;

/// Bytes of a delta's head. A frame takes at most some hundred bytes of it, and most take 38.
pub const DELTA_HEAD_LEN: u32 = 64 << 20;

/// Bytes of the old bundle's tar stream from which a delta makes one frame. A reader holds them in memory.
pub const PREFIX_LEN: u32 = FRAME_LEN;

/// Bytes of a stub that a delta makes or an update fetches. It is held in memory.
pub const STUB_LEN: u32 = 64 << 20;
