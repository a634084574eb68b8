//! Reads the NAR format strictly: what Nix writes, and nothing else.
//!
//! docs/format.md describes it. The parser uses no recursion, so a NAR cannot use up the stack; the NAR's length, which is
//! signed, bounds all that it can do.

use std::io::{self, Read};

use format::limits;

use super::node::{Kind, Node};

/// The longest of the format's own words, such as `nix-archive-1`.
const WORD_LEN: u64 = 13;

/// Bytes of a content that are read at once.
const BUFFER_LEN: usize = 64 << 10;

/// The nodes of a NAR, depth first, as in a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) nodes: Vec<Node>,
    /// For each node, the position of its content in the NAR; 0 for what is no file.
    pub(crate) starts: Vec<u64>,
}

/// Reads a NAR of at most `limit` bytes; returns what is in it, and its length.
///
/// # Errors
///
/// What `input` fails with; or [`io::ErrorKind::InvalidData`] if Nix writes no such NAR, or it is longer.
pub(crate) fn read(input: impl Read, limit: u64) -> io::Result<(Listing, u64)> {
    let mut parser =
        Parser { wire: Wire::new(input, limit), listing: Listing::default(), open: Vec::new() };
    parser.word(b"nix-archive-1")?;
    parser.node(Vec::new())?;
    while let Some(directory) = parser.open.last() {
        let (number, before) = (directory.number, directory.last.clone());
        match parser.wire.string(WORD_LEN)?.as_slice() {
            b")" => {
                parser.open.pop();
                parser.listing.nodes[number as usize].end = parser.next()?;
                parser.end_entry()?;
            }
            b"entry" => {
                parser.word(b"(")?;
                parser.word(b"name")?;
                let name = parser.wire.string(limits::FILE_NAME_LEN.into())?;
                let is_name = !matches!(name.as_slice(), b"" | b"." | b"..")
                    && !name.iter().any(|byte| matches!(byte, b'/' | 0));
                if !is_name {
                    return Err(invalid("a name that no file can have"));
                }
                if before.is_some_and(|before| before >= name) {
                    return Err(invalid("names that are not in order"));
                }
                parser.word(b"node")?;
                if let Some(directory) = parser.open.last_mut() {
                    directory.last = Some(name.clone());
                }
                parser.node(name)?;
            }
            _ => return Err(invalid("something else where an entry should be")),
        }
    }
    Ok((parser.listing, parser.wire.at))
}

/// A directory whose entries are being read.
struct Open {
    number: u32,
    /// The name of the entry before.
    last: Option<Vec<u8>>,
}

struct Parser<R> {
    wire: Wire<R>,
    listing: Listing,
    open: Vec<Open>,
}

impl<R: Read> Parser<R> {
    /// Reads a node up to its end; a directory up to its first entry.
    fn node(&mut self, name: Vec<u8>) -> io::Result<()> {
        self.word(b"(")?;
        self.word(b"type")?;
        match self.wire.string(WORD_LEN)?.as_slice() {
            b"directory" => {
                if self.open.len() >= limits::DEPTH {
                    return Err(invalid("directories that are too deep"));
                }
                let number = self.add(name, Kind::Directory, 0)?;
                self.open.push(Open { number, last: None });
                Ok(())
            }
            b"regular" => {
                let word = self.wire.string(WORD_LEN)?;
                let executable = word == b"executable";
                if executable {
                    self.word(b"")?;
                    self.word(b"contents")?;
                } else if word != b"contents" {
                    return Err(invalid("a file without contents"));
                }
                let len = self.wire.number()?;
                if len > self.wire.limit - self.wire.at {
                    return Err(invalid("a file that is longer than the rest"));
                }
                self.add(name, Kind::File { executable, len }, self.wire.at)?;
                self.wire.skip(len)?;
                self.wire.padding(len)?;
                self.word(b")")?;
                self.end_entry()
            }
            b"symlink" => {
                self.word(b"target")?;
                let target = self.wire.string(limits::LINK_TARGET_LEN.into())?;
                if target.is_empty() || target.contains(&0) {
                    return Err(invalid("a link to nothing"));
                }
                self.add(name, Kind::Symlink { target }, 0)?;
                self.word(b")")?;
                self.end_entry()
            }
            _ => Err(invalid("something else than a file, a directory or a link")),
        }
    }

    /// Ends the entry around a node; the root has none.
    fn end_entry(&mut self) -> io::Result<()> {
        if self.open.is_empty() { Ok(()) } else { self.word(b")") }
    }

    fn add(&mut self, name: Vec<u8>, kind: Kind, start: u64) -> io::Result<u32> {
        let number = self.next()?;
        let parent = self.open.last().map(|directory| directory.number);
        self.listing.nodes.push(Node { parent, name, kind, end: number + 1 });
        self.listing.starts.push(start);
        Ok(number)
    }

    /// The number of the next node.
    fn next(&self) -> io::Result<u32> {
        let number = u32::try_from(self.listing.nodes.len()).ok();
        number.filter(|number| *number < limits::NODES).ok_or_else(|| invalid("too many files"))
    }

    fn word(&mut self, expected: &[u8]) -> io::Result<()> {
        if self.wire.string(WORD_LEN)? == expected {
            Ok(())
        } else {
            Err(invalid("a word in a wrong place"))
        }
    }
}

/// Reads Nix's numbers and strings, `limit` bytes of them at the most.
pub(crate) struct Wire<R> {
    input: R,
    /// Bytes that were read.
    pub(crate) at: u64,
    limit: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Wire<R> {
    pub(crate) fn new(input: R, limit: u64) -> Wire<R> {
        Wire { input, at: 0, limit, buffer: Vec::new() }
    }

    /// Reads a string of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// If it is longer, or its padding is not zero.
    pub(crate) fn string(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let len = self.number()?;
        let short = usize::try_from(len).ok().filter(|_| len <= limit);
        let mut string = vec![0; short.ok_or_else(|| invalid("a string that is too long"))?];
        self.exactly(&mut string)?;
        self.padding(len)?;
        Ok(string)
    }

    /// Reads a number.
    ///
    /// # Errors
    ///
    /// If the input ends.
    pub(crate) fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.exactly(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads the zeros behind a string.
    fn padding(&mut self, len: u64) -> io::Result<()> {
        let mut zeros = [0; 8];
        let missing = usize::try_from(len.wrapping_neg() % 8).unwrap_or_default();
        self.exactly(&mut zeros[..missing])?;
        if zeros == [0; 8] { Ok(()) } else { Err(invalid("padding that is not zero")) }
    }

    fn skip(&mut self, mut len: u64) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let most = usize::try_from(len).unwrap_or(usize::MAX).min(BUFFER_LEN);
        buffer.resize(buffer.len().max(most), 0);
        while len > 0 {
            let part = usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
            self.exactly(&mut buffer[..part])?;
            len -= part as u64;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.limit - self.at {
            return Err(invalid("more bytes than it should have"));
        }
        self.input.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Makes the error for what Nix does not write.
pub(crate) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a NAR of words.
    fn nar(words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in words {
            bytes.extend((word.len() as u64).to_le_bytes());
            bytes.extend_from_slice(word);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn words(text: &str) -> Vec<u8> {
        let words: Vec<&[u8]> = text
            .split(' ')
            .map(|word| if word == "_" { &b""[..] } else { word.as_bytes() })
            .collect();
        nar(&words)
    }

    fn parse(bytes: &[u8]) -> io::Result<(Listing, u64)> {
        read(bytes, 10_000)
    }

    const TREE: &str = "nix-archive-1 ( type directory \
        entry ( name a node ( type directory entry ( name b node ( type symlink target /x ) ) ) ) \
        entry ( name run node ( type regular executable _ contents #!/bin/sh ) ) )";

    #[test]
    fn tree_is_listed() {
        let bytes = words(TREE);
        let (listing, len) = parse(&bytes).unwrap();
        assert_eq!(len, bytes.len() as u64);
        let node = |parent, name: &str, kind, end| Node { parent, name: name.into(), kind, end };
        let expected = [
            node(None, "", Kind::Directory, 4),
            node(Some(0), "a", Kind::Directory, 3),
            node(Some(1), "b", Kind::Symlink { target: b"/x".into() }, 3),
            node(Some(0), "run", Kind::File { executable: true, len: 9 }, 4),
        ];
        assert_eq!(listing.nodes, expected);
        let start = usize::try_from(listing.starts[3]).unwrap();
        assert_eq!(&bytes[start..][..9], b"#!/bin/sh");
    }

    #[test]
    fn root_is_any_kind() {
        for root in ["type symlink target x", "type regular contents _", "type directory"] {
            let text = format!("nix-archive-1 ( {root} )");
            assert_eq!(parse(&words(&text)).unwrap().0.nodes.len(), 1, "{root}");
        }
    }

    #[test]
    fn what_nix_does_not_write_is_refused() {
        let file = "( type regular contents _ )";
        let entry = |name: &str| format!("entry ( name {name} node {file} )");
        let directory =
            |entries: &[String]| format!("nix-archive-1 ( type directory {} )", entries.join(" "));
        for text in [
            "nix-archive-2 ( type directory )".to_owned(),
            "nix-archive-1 ( type fifo )".to_owned(),
            "nix-archive-1 ( type regular )".to_owned(),
            "nix-archive-1 ( type regular executable x contents _ )".to_owned(),
            "nix-archive-1 ( type symlink target _ )".to_owned(),
            "nix-archive-1 ( type symlink target a\0b )".to_owned(),
            directory(&[entry("b"), entry("a")]),
            directory(&[entry("a"), entry("a")]),
            directory(&[entry(".")]),
            directory(&[entry("..")]),
            directory(&[entry("_")]),
            directory(&[entry("a/b")]),
            directory(&[entry("a\0b")]),
            directory(&[entry(&"x".repeat(256))]),
            directory(&["name".to_owned()]),
        ] {
            let error = parse(&words(&text)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}: {error}");
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_padding_is_noticed() {
        let bytes = words(TREE);
        for len in 0..bytes.len() {
            let error = parse(&bytes[..len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{len}");
        }
        let mut padded = bytes.clone();
        padded[8 + 13] = 1;
        assert!(parse(&padded).is_err());
    }

    #[test]
    fn length_is_bounded() {
        let bytes = words(TREE);
        let len = bytes.len() as u64;
        assert!(read(bytes.as_slice(), len).is_ok());
        assert!(read(bytes.as_slice(), len - 1).is_err());
        // A file that says it is huge.
        let mut huge = words("nix-archive-1 ( type regular contents");
        huge.extend(u64::MAX.to_le_bytes());
        assert!(read(huge.as_slice().chain(io::repeat(0)), 1 << 30).is_err());
        // Directories without end.
        let start = words("nix-archive-1 ( type directory");
        let one = words("entry ( name a node ( type directory");
        let deep = [start, one.repeat(limits::DEPTH + 1)].concat();
        let error = read(deep.as_slice(), u64::MAX).unwrap_err();
        assert_eq!(error.to_string(), "directories that are too deep");
    }
}
