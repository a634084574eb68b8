//! The bundle's file format: bytes in, values out.
//!
//! Only this crate knows the layout of a bundle: the packer writes with it, the runtime reads with
//! it, and `docs/format.md` describes it. It does no I/O, needs no operating system and has no
//! unsafe code. It treats all input as hostile: decoding can fail, but it never panics, never
//! allocates more than a small multiple of the input's length, and accepts only one encoding of
//! each value.

#![no_std]

extern crate alloc;

mod argv0;
mod base32;
mod delta;
mod descriptor;
mod digest;
mod entry;
mod environment;
mod error;
mod graphics;
mod index;
pub mod limits;
mod manifest;
mod mode;
pub mod nar;
mod path_info;
mod pyc;
mod replacement;
mod seek_table;
mod skippable;
mod store_path;
mod wire;

pub use argv0::Argv0;
pub use base32::BASE32_DIGITS;
pub use delta::{
    Compression, DELTA_START_LEN, DELTA_VERSION, Delta, DeltaPart, DeltaStart, Recipe, Rename,
};
pub use descriptor::{
    BUNDLE_VERSION, DESCRIPTOR_LEN, Descriptor, NOTE_NAME, NOTE_TYPE, OLDEST_VERSION, PathKey,
    Section, SectionTable,
};
pub use digest::{Digest, Hasher, checksum};
pub use entry::{Entry, entry_name};
pub use environment::{Action, Piece, Rule};
pub use error::{Error, Part};
pub use graphics::{Graphics, Interface, Interfaces};
pub use index::{
    Extent, Index, IndexWriter, Kind, Node, NodeContent, Reference, References, Symlink,
};
pub use manifest::{Findings, LeftOut, Manifest, PackedPath, Release};
pub use mode::{Mode, Modes, UnknownMode};
pub use path_info::{PathInfo, SIGNATURE_LEN, Signature};
pub use pyc::{PYC_CHECKED, PYC_FLAGS_OFFSET, PYC_UNCHECKED, is_checked_pyc};
pub use replacement::{REFERENCE_LEN, UnfitBase, replacement};
pub use seek_table::{Frame, SeekTable};
pub use skippable::{SKIPPABLE_HEADER_LEN, SectionKind};
pub use store_path::{HASH_TEXT_LEN, InvalidStorePath, STORE_DIR, StoreHash, StorePath};
pub use wire::is_zero;
