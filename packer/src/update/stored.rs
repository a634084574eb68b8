//! What an open bundle has outside of its frames, and pieces of its tar stream.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use format::{Extent, Index, SectionKind, limits};

use super::patch;
use crate::error::{Error, Result};
use crate::source::bundle::Bundle;

/// Reads the stub, with the descriptor in it.
///
/// # Errors
///
/// If it cannot be read, or is longer than a delta can bring.
pub(super) fn head(bundle: &Bundle) -> Result<Vec<u8>> {
    let (len, limit) = (bundle.header.descriptor.stub_len, limits::STUB_LEN.into());
    if len > limit {
        return Err(Error::TooMany { what: "bytes in the stub", limit });
    }
    bytes(bundle, 0, len)
}

/// Reads a section as it is stored.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn section(bundle: &Bundle, kind: SectionKind) -> Result<Vec<u8>> {
    let section = bundle.header.descriptor.sections.get(kind);
    bytes(bundle, section.offset, section.len)
}

/// Reads the content of a section.
///
/// # Errors
///
/// If it cannot be read, or is damaged.
pub(super) fn content(bundle: &Bundle, kind: SectionKind) -> Result<Vec<u8>> {
    let stored = section(bundle, kind)?;
    if kind == SectionKind::SeekTable {
        return Ok(stored);
    }
    let damaged =
        || Error::Damaged { path: bundle.path.clone(), source: format::Error::Length(kind.part()) };
    let len = zstd_safe::get_frame_content_size(&stored).ok().flatten();
    let len = len.filter(|len| *len <= limits::SECTION_LEN).ok_or_else(damaged)?;
    patch::apply(&stored, &[], usize::try_from(len).unwrap_or(usize::MAX)).ok_or_else(damaged)
}

/// Reads pieces of the tar stream, and joins them.
///
/// # Errors
///
/// If a frame is damaged.
pub(super) fn tar(bundle: &Bundle, index: &Index<'_>, pieces: &[Extent]) -> Result<Vec<u8>> {
    let contents = bundle.run(|payload| payload.contents(&bundle.sections, index, pieces))?;
    Ok(contents.concat())
}

/// Reads bytes of the file.
///
/// # Errors
///
/// If they cannot be read.
pub(super) fn bytes(bundle: &Bundle, offset: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let read = bundle.file.read_exact_at(&mut bytes, offset);
    read.map_err(|error| Error::io("read", Path::new(&bundle.path), error))?;
    Ok(bytes)
}
