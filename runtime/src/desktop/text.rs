//! Bytes that are never freed.

use alloc::vec::Vec;

/// Bytes that live as long as the process.
///
/// A command with desktop entries is all that its process does, and needs little memory beside the icons. Freeing every
/// path and name would add 20 KB of code to the stub.
pub(super) type Text = &'static [u8];

/// Keeps bytes until the process ends.
pub(super) fn kept(bytes: Vec<u8>) -> Text {
    bytes.leak()
}

/// Returns all parts as one.
#[inline(never)]
pub(super) fn joined(parts: &[&[u8]]) -> Text {
    kept(parts.concat())
}

/// Returns the bytes, kept.
pub(super) fn copied(bytes: &[u8]) -> Text {
    joined(&[bytes])
}

/// Returns a path as the name of one file, as the specification makes a desktop entry's ID of its path.
pub(super) fn flat(path: &[u8]) -> Text {
    kept(path.iter().map(|byte| if *byte == b'/' { b'-' } else { *byte }).collect())
}

/// Whether a name or path is UTF-8 without control characters.
pub(super) fn is_plain(name: &[u8]) -> bool {
    core::str::from_utf8(name).is_ok() && !name.iter().any(u8::is_ascii_control)
}
