//! What reads other people's bytes, for the fuzzers in `fuzz/`. No interface for anybody else.

use std::fs::File;
use std::io::{self, Cursor};

use format::{DESCRIPTOR_LEN, Index, PackedPath, StoreHash};
use runtime::payload::{self, Sections};

use crate::command::verify;
use crate::elf;
use crate::scan::compressed::{self, Method};
use crate::source::bundle::Bundle;
use crate::source::reference::{Depth, Hashes, Scanner};
pub use crate::source::reference::{Form, Occurrence};

/// Finds the descriptor in a file.
#[must_use]
pub fn note(file: &[u8]) -> Option<&[u8; DESCRIPTOR_LEN]> {
    elf::note(file)
}

/// Looks for hashes in a file that is read piece by piece.
#[must_use]
pub fn occurrences(hashes: &[StoreHash], file: &[u8], piece: usize) -> Vec<Occurrence> {
    let hashes = Hashes::new(hashes.iter().copied());
    let mut scanner = Scanner::new(&hashes, Depth::Wide);
    let mut found = Vec::new();
    file.chunks(piece).for_each(|piece| scanner.feed(piece, |hash| found.push(hash)));
    found
}

/// Looks for hashes inside a file that is compressed; `None` if it is not.
///
/// # Errors
///
/// If it cannot be unpacked, or unpacks to more than `limit` bytes.
pub fn holds_reference(hashes: &[StoreHash], file: &[u8], limit: u64) -> Option<io::Result<bool>> {
    let hashes = Hashes::new(hashes.iter().copied());
    let head = &file[..file.len().min(compressed::HEAD_LEN)];
    let tail = &file[file.len().saturating_sub(compressed::TAIL_LEN)..];
    let method = Method::of(head, tail)?;
    Some(compressed::holds_reference(Cursor::new(file), method, &hashes, limit))
}

/// Checks that a tar archive and an index list the same files.
///
/// # Errors
///
/// The first difference.
pub fn check_tar(archive: &[u8], paths: &[PackedPath], index: &Index<'_>) -> Result<(), String> {
    verify::check_tar(archive, verify::expected(paths, index))
}

/// Checks a bundle as `packer verify` does.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn verify(
    file: File,
    header: payload::Bundle,
    sections: Sections,
) -> Result<(usize, usize), String> {
    let bundle = Bundle { path: "bundle".to_owned(), file, header, sections };
    verify::check(&bundle).map_err(|error| error.to_string())
}
