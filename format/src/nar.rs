//! Computes a NAR hash: the digest of a store path in the NAR format.

use alloc::vec::Vec;

use crate::digest::{Digest, Hasher};

/// The kind of a node in a NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Whether it is executable.
        executable: bool,
        /// Bytes of the content.
        len: u64,
    },
    /// A symbolic link.
    Symlink {
        /// The link's target.
        target: &'a [u8],
    },
}

/// Computes the digest of a NAR. Nodes come depth first; the names in a directory are sorted.
pub struct NarHasher {
    hasher: Hasher,
    len: u64,
    /// The numbers of the directories that are still open.
    open: Vec<u32>,
}

impl NarHasher {
    /// Starts a NAR.
    pub fn begin() -> NarHasher {
        let mut nar = NarHasher { hasher: Hasher::new(), len: 0, open: Vec::new() };
        nar.string(b"nix-archive-1");
        nar
    }

    /// Writes a node, without the content of a file.
    ///
    /// After a file's node, call [`NarHasher::bytes`] with all of its content, and then
    /// [`NarHasher::end_file`].
    pub fn node(&mut self, number: u32, parent: Option<u32>, name: &[u8], kind: Kind<'_>) {
        while self.open.last().is_some_and(|open| parent != Some(*open)) {
            self.close_directory();
        }
        if parent.is_some() {
            self.strings(&[b"entry", b"(", b"name", name, b"node"]);
        }
        self.strings(&[b"(", b"type"]);
        match kind {
            Kind::Directory => {
                self.string(b"directory");
                self.open.push(number);
            }
            Kind::File { executable, len } => {
                self.string(b"regular");
                if executable {
                    self.strings(&[b"executable", b""]);
                }
                self.string(b"contents");
                self.bytes(&len.to_le_bytes());
            }
            Kind::Symlink { target } => {
                self.strings(&[b"symlink", b"target", target]);
                self.end_node();
            }
        }
    }

    /// Writes the next bytes of a file's content.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len = self.len.wrapping_add(bytes.len() as u64);
    }

    /// Ends a file.
    pub fn end_file(&mut self) {
        self.pad();
        self.end_node();
    }

    /// Ends the NAR and returns its digest and its length in bytes.
    pub fn finish(mut self) -> (Digest, u64) {
        while !self.open.is_empty() {
            self.close_directory();
        }
        (self.hasher.finish(), self.len)
    }

    fn close_directory(&mut self) {
        self.open.pop();
        self.end_node();
    }

    /// Ends a node, and the NAR's `entry` around it. Only the root of a store path has none.
    fn end_node(&mut self) {
        self.string(b")");
        if !self.open.is_empty() {
            self.string(b")");
        }
    }

    fn strings(&mut self, strings: &[&[u8]]) {
        strings.iter().for_each(|string| self.string(string));
    }

    fn string(&mut self, bytes: &[u8]) {
        self.bytes(&(bytes.len() as u64).to_le_bytes());
        self.bytes(bytes);
        self.pad();
    }

    /// Pads to a multiple of 8 bytes. All strings are padded, so the total length is enough to know
    /// how much is missing.
    fn pad(&mut self) {
        while !self.len.is_multiple_of(8) {
            self.bytes(&[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn file(nar: &mut NarHasher, number: u32, parent: Option<u32>, name: &[u8], content: &[u8]) {
        let kind = Kind::File { executable: name == b"run", len: content.len() as u64 };
        nar.node(number, parent, name, kind);
        nar.bytes(content);
        nar.end_file();
    }

    #[test]
    fn single_file() {
        let mut nar = NarHasher::begin();
        file(&mut nar, 0, None, b"", b"hello\n");
        let (digest, len) = nar.finish();
        assert_eq!((digest.to_string().as_str(), len), FILE);
    }

    #[test]
    fn whole_tree() {
        let mut nar = NarHasher::begin();
        nar.node(0, None, b"", Kind::Directory);
        nar.node(1, Some(0), b"a", Kind::Directory);
        nar.node(2, Some(1), b"b", Kind::Directory);
        file(&mut nar, 3, Some(2), b"f", b"12345678");
        nar.node(4, Some(0), b"link", Kind::Symlink { target: b"/no/where" });
        file(&mut nar, 5, Some(0), b"run", b"#!/bin/sh\n");
        let (digest, len) = nar.finish();
        assert_eq!((digest.to_string().as_str(), len), TREE);
    }

    // From `nix-store --dump PATH | sha256sum` and `… | wc -c`.
    const FILE: (&str, u64) =
        ("1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13", 120);
    const TREE: (&str, u64) =
        ("ddca93debdd3115905389d4a8e48c6ca1325edf77c7c3429bf45f81b59fc2db3", 1056);
}
