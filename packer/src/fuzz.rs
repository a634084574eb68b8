//! The parsers of untrusted bytes, exported for the fuzz targets in `fuzz/` only.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Cursor};
use std::ops::Range;

use format::nar::NarHasher;
use format::{DESCRIPTOR_LEN, Digest, Index, PackedPath, StoreHash, StorePath};
use runtime::payload::{self, Sections};

use crate::command::verify::check;
use crate::elf;
use crate::http::content_range::ContentRange;
use crate::scan::compressed::{self, Method};
use crate::scan::streams::StreamScanner;
use crate::source::binary_cache::{export, narinfo};
use crate::source::bundle::Bundle;
use crate::source::nar::{self, Listing};
use crate::source::node::Kind;
use crate::source::reference::{Depth, Hashes, Scanner};
pub use crate::source::reference::{Form, Occurrence};
use crate::update::version;

/// Finds the descriptor in a file.
#[must_use]
pub fn note(file: &[u8]) -> Option<&[u8; DESCRIPTOR_LEN]> {
    elf::note(file)
}

/// Finds hashes in a file that is read in pieces of `piece` bytes.
#[must_use]
pub fn occurrences(hashes: &[StoreHash], file: &[u8], piece: usize) -> Vec<Occurrence> {
    let hashes = Hashes::new(hashes.iter().copied());
    let mut scanner = Scanner::new(&hashes, Depth::Wide);
    let mut found = Vec::new();
    file.chunks(piece).for_each(|piece| scanner.feed(piece, |hash| found.push(hash)));
    found
}

/// Searches the decompressed content of a file for hashes; `None` if the file is not compressed.
///
/// # Errors
///
/// If the file cannot be decompressed, or has more than `limit` bytes when decompressed.
pub fn holds_reference(hashes: &[StoreHash], file: &[u8], limit: u64) -> Option<io::Result<bool>> {
    let hashes = Hashes::new(hashes.iter().copied());
    let head = &file[..file.len().min(compressed::HEAD_LEN)];
    let tail = &file[file.len().saturating_sub(compressed::TAIL_LEN)..];
    let method = Method::of(head, tail)?;
    Some(compressed::holds_reference(Cursor::new(file), method, &hashes, limit))
}

/// Searches the compressed streams that begin in a file, as far as they can be decompressed.
///
/// # Errors
///
/// If all of them have more than `limit` bytes when decompressed.
pub fn streams_hold_reference(hashes: &[StoreHash], file: &[u8], limit: u64) -> io::Result<bool> {
    let hashes = Hashes::new(hashes.iter().copied());
    let mut scanner = StreamScanner::default();
    scanner.feed(file);
    let rest = Cell::new(limit);
    for (at, method) in scanner.end() {
        let stream = usize::try_from(at).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        if compressed::stream_holds_reference(stream, method, &hashes, &rest)?.0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that a tar archive and an index describe the same files.
///
/// # Errors
///
/// The first difference.
pub fn check_tar(archive: &[u8], paths: &[PackedPath], index: &Index<'_>) -> Result<(), String> {
    check::check_tar(archive, check::expected(paths, index))
}

/// Checks a bundle as `packer verify` does.
///
/// # Errors
///
/// The first problem that it finds.
pub fn verify(
    file: File,
    header: payload::Bundle,
    sections: Sections,
) -> Result<(usize, usize), String> {
    let bundle = Bundle { path: "bundle".to_owned(), file, header, sections };
    let checked = check::check(&bundle).map_err(|error| error.to_string())?;
    Ok((checked.files, checked.paths.len()))
}

/// Reads a NAR; returns the digest and the length that its nodes have in the NAR format.
///
/// # Errors
///
/// If Nix writes no such NAR.
pub fn nar(bytes: &[u8]) -> io::Result<(Digest, u64)> {
    let (Listing { nodes, starts }, _) = nar::read(bytes, bytes.len() as u64)?;
    let mut hasher = NarHasher::begin();
    for ((number, node), start) in (0..).zip(&nodes).zip(starts) {
        hasher.node(number, node.parent, &node.name, node.kind.in_nar());
        if let Kind::File { len, .. } = node.kind {
            let end = start + len;
            let content = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            hasher
                .bytes(content.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default());
            hasher.end_file();
        }
    }
    Ok(hasher.finish())
}

/// Reads what a binary cache says of a store path; returns the store path.
///
/// # Errors
///
/// The reason, if it cannot be used.
pub fn narinfo(bytes: &[u8]) -> Result<StorePath, String> {
    narinfo::parse(bytes).map(|info| info.path)
}

/// Reads what `nix-store --export` writes; returns the store paths.
///
/// # Errors
///
/// If it writes no such file.
pub fn export(bytes: &[u8]) -> io::Result<Vec<StorePath>> {
    Ok(export::parse(bytes)?.into_keys().collect())
}

/// Reads a header `Content-Range`: the range and the length of the whole file.
#[must_use]
pub fn content_range(header: &[u8]) -> Option<(Range<u64>, Option<u64>)> {
    ContentRange::parse(header).map(|sent| (sent.range, sent.total))
}

/// Compares two versions.
#[must_use]
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    version::compare(one, other)
}
