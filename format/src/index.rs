//! The index: all files, directories and links, and where the files' contents are.

mod writer;

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::limits;
use crate::nar;
use crate::replacement::REFERENCE_LEN;
use crate::wire::Reader;

pub use writer::{IndexWriter, NodeContent};

/// The position of a file's content in the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Bytes from the start of the tar stream.
    pub start: u64,
    /// Bytes of the content. It can continue in the next frame.
    pub len: u64,
}

impl Extent {
    /// Returns the content's end, in bytes from the start of the tar stream.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// A reference in a file's content or in a link's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Bytes from the start of the content or target. A reference has [`REFERENCE_LEN`] bytes.
    pub offset: u64,
    /// The store path: an index into [`crate::Manifest::paths`].
    pub path: u32,
}

/// References, sorted by offset; they do not overlap.
///
/// Decoding the index checks them. They stay encoded; [`References::iter`] decodes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References<'a>(&'a [u8]);

/// Bytes of one reference: a u64 and a u32.
const ITEM_LEN: usize = 12;

impl<'a> References<'a> {
    /// Decodes the references.
    pub fn iter(self) -> impl Iterator<Item = Reference> + 'a {
        self.0.chunks_exact(ITEM_LEN).filter_map(|item| {
            let (offset, path) = item.split_first_chunk()?;
            Some(Reference {
                offset: u64::from_le_bytes(*offset),
                path: u32::from_le_bytes(path.try_into().ok()?),
            })
        })
    }

    fn decode(reader: &mut Reader<'a>, len: u64, paths: usize) -> Result<References<'a>, Error> {
        let count = reader.count(u32::MAX, ITEM_LEN, "references")?;
        let references = References(reader.bytes(count.saturating_mul(ITEM_LEN))?);
        let mut end: u64 = 0;
        for Reference { offset, path } in references.iter() {
            if offset < end || usize::try_from(path).map_or(true, |path| path >= paths) {
                return Err(reader.invalid("a reference is out of order or names no store path"));
            }
            end = offset.saturating_add(REFERENCE_LEN as u64);
        }
        if end > len {
            return Err(reader.invalid("a reference is outside of its file"));
        }
        Ok(references)
    }
}

/// A symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symlink<'a> {
    /// The target, before relocation.
    pub target: &'a [u8],
    /// The references in the target.
    pub references: References<'a>,
}

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory: permissions 0555.
    Directory,
    /// A file: permissions 0555 if it is executable, 0444 if not.
    File {
        /// Whether it is executable.
        executable: bool,
        /// Its content.
        content: Extent,
        /// The references in its content.
        references: References<'a>,
        /// Whether it is a compiled Python module that checks a digest of its source.
        checked_pyc: bool,
    },
    /// A symbolic link.
    Symlink(Symlink<'a>),
}

impl<'a> From<Kind<'a>> for nar::Kind<'a> {
    fn from(kind: Kind<'a>) -> nar::Kind<'a> {
        match kind {
            Kind::Directory => nar::Kind::Directory,
            Kind::File { executable, content, .. } => {
                nar::Kind::File { executable, len: content.len }
            }
            Kind::Symlink(Symlink { target, .. }) => nar::Kind::Symlink { target },
        }
    }
}

/// A file, directory or symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The number of its directory, which is an earlier node. `None` for the root of a store path.
    pub parent: Option<u32>,
    /// Its name in that directory; empty for the root of a store path.
    pub name: &'a [u8],
    /// Its kind.
    pub kind: Kind<'a>,
}

/// The index: the digest of each frame and the list of nodes.
///
/// Nodes come depth first, and the names in a directory are sorted, as in a NAR. Store paths are in
/// the manifest's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index<'a> {
    /// The digest of each compressed frame of the tar stream, in the order of the file.
    pub frames: Vec<Digest>,
    /// The nodes.
    pub nodes: Vec<Node<'a>>,
}

/// The encoding of a node that has no parent.
const NO_PARENT: u32 = u32::MAX;

/// The encodings of a node's kind.
const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const EXECUTABLE: u8 = 2;
const SYMLINK: u8 = 3;
const CHECKED_PYC: u8 = 4;

impl<'a> Index<'a> {
    /// Decodes an uncompressed index of `paths` store paths and a tar stream of `tar_len` bytes.
    ///
    /// The result can be unpacked without more checks: each name is one component, parents are
    /// directories that come earlier, no name occurs twice, contents are inside the tar stream.
    ///
    /// # Errors
    ///
    /// If any of this does not hold, or a limit is exceeded.
    pub fn decode(bytes: &'a [u8], paths: usize, tar_len: u64) -> Result<Index<'a>, Error> {
        let mut reader = Reader::new(Part::Index, bytes);
        let frames = (0..reader.count(limits::FRAMES, 32, "frames")?)
            .map(|_| reader.array().map(Digest))
            .collect::<Result<Vec<_>, Error>>()?;
        let count = reader.count(limits::NODES, 7, "files")?;
        let mut nodes: Vec<Node<'a>> = Vec::with_capacity(count);
        let mut order = Order::default();
        for number in 0..count {
            let node = decode_node(&mut reader, paths, tar_len)?;
            let number = u32::try_from(number).unwrap_or(NO_PARENT);
            order.check(&mut reader, number, &node)?;
            nodes.push(node);
        }
        reader.finish()?;
        if order.roots != paths {
            return Err(Error::Value {
                part: Part::Index,
                rule: "the number of roots differs from the number of store paths",
            });
        }
        Ok(Index { frames, nodes })
    }
}

/// Checks that nodes come depth first with sorted names.
#[derive(Default)]
struct Order<'a> {
    roots: usize,
    /// The directories that are still open: the number and the last name in each.
    open: Vec<(u32, &'a [u8])>,
}

impl<'a> Order<'a> {
    fn check(
        &mut self,
        reader: &mut Reader<'a>,
        number: u32,
        node: &Node<'a>,
    ) -> Result<(), Error> {
        if let Some(parent) = node.parent {
            while self.open.last().is_some_and(|(directory, _)| *directory != parent) {
                self.open.pop();
            }
            match self.open.last_mut() {
                None => return Err(reader.invalid("a file's parent is not an open directory")),
                Some((_, last)) if *last >= node.name => {
                    return Err(reader.invalid("the files are not in order"));
                }
                Some((_, last)) => *last = node.name,
            }
        } else {
            self.open.clear();
            self.roots = self.roots.saturating_add(1);
        }
        if matches!(node.kind, Kind::Directory) {
            if self.open.len() >= limits::DEPTH {
                return Err(Error::Limit { part: reader.part(), what: "nested directories" });
            }
            self.open.push((number, b""));
        }
        Ok(())
    }
}

fn decode_node<'a>(reader: &mut Reader<'a>, paths: usize, tar_len: u64) -> Result<Node<'a>, Error> {
    let parent = match reader.u32()? {
        NO_PARENT => None,
        parent => Some(parent),
    };
    let tag = reader.u8()?;
    let name = reader.short()?;
    match parent {
        None if name.is_empty() => {}
        None => return Err(reader.invalid("a store path's root has a name")),
        Some(_)
            if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) =>
        {
            return Err(reader.invalid("a file name is empty, '.', '..' or holds '/' or NUL"));
        }
        Some(_) if name.len() > limits::FILE_NAME_LEN.into() => {
            return Err(Error::Limit { part: reader.part(), what: "bytes in a file name" });
        }
        Some(_) => {}
    }
    let kind = match tag {
        DIRECTORY => Kind::Directory,
        FILE | EXECUTABLE | CHECKED_PYC => {
            let content = Extent { start: reader.u64()?, len: reader.u64()? };
            if content.start.checked_add(content.len).is_none_or(|end| end > tar_len) {
                return Err(reader.invalid("a file's content is outside of the tar stream"));
            }
            let references = References::decode(reader, content.len, paths)?;
            let checked_pyc = tag == CHECKED_PYC;
            Kind::File { executable: tag == EXECUTABLE, content, references, checked_pyc }
        }
        SYMLINK => {
            let target = reader.short()?;
            if target.is_empty()
                || target.contains(&0)
                || target.len() > limits::LINK_TARGET_LEN.into()
            {
                return Err(reader.invalid("a link's target is empty, too long or holds NUL"));
            }
            let len = u64::try_from(target.len()).unwrap_or(u64::MAX);
            Kind::Symlink(Symlink { target, references: References::decode(reader, len, paths)? })
        }
        _ => return Err(reader.invalid("a file has an unknown kind")),
    };
    Ok(Node { parent, name, kind })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const TAR_LEN: u64 = 1000;

    /// Encodes two store paths: a directory with a program, a link and a directory in it, and a
    /// file.
    fn encode(change: impl Fn(usize, &mut (Option<u32>, Vec<u8>))) -> Vec<u8> {
        let target = b"/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc/lib";
        let file = NodeContent::File {
            executable: true,
            content: Extent { start: 512, len: 100 },
            references: &[Reference { offset: 0, path: 1 }, Reference { offset: 50, path: 0 }],
            checked_pyc: false,
        };
        let link = NodeContent::Symlink { target, references: &[Reference { offset: 0, path: 0 }] };
        let nodes = [
            (None, "", NodeContent::Directory),
            (Some(0), "bin", NodeContent::Directory),
            (Some(1), "markov", file),
            (Some(0), "lib", link),
            (Some(0), "share", NodeContent::Directory),
            (None, "", file),
        ];
        let mut writer = Index::writer(&[Digest::of(b"frame")], nodes.len()).unwrap();
        for (number, (parent, name, content)) in nodes.into_iter().enumerate() {
            let mut place = (parent, name.into());
            change(number, &mut place);
            writer.node(place.0, &place.1, &content).unwrap();
        }
        writer.finish()
    }

    #[test]
    fn round_trips() {
        let bytes = encode(|_, _| {});
        let index = Index::decode(&bytes, 2, TAR_LEN).unwrap();
        assert_eq!(index.frames, [Digest::of(b"frame")]);
        assert_eq!(index.nodes.len(), 6);
        assert_eq!(index.nodes[2].name, b"markov");
        let Kind::File { executable, content, references, .. } = index.nodes[2].kind else {
            panic!("not a file: {:?}", index.nodes[2]);
        };
        assert!(executable);
        assert_eq!(content, Extent { start: 512, len: 100 });
        let references: Vec<_> = references.iter().collect();
        assert_eq!(
            references,
            vec![Reference { offset: 0, path: 1 }, Reference { offset: 50, path: 0 }]
        );
    }

    #[test]
    fn hostile_names_and_parents_are_refused() {
        type Change = fn(&mut (Option<u32>, Vec<u8>));
        let changes: [(usize, Change); 10] = [
            (2, |node| node.1 = b"..".into()),
            (2, |node| node.1 = b".".into()),
            (2, |node| node.1 = b"".into()),
            (2, |node| node.1 = b"a/b".into()),
            (2, |node| node.1 = b"a\0b".into()),
            (2, |node| node.1 = vec![b'a'; 256]),
            (3, |node| node.1 = b"bin".into()),
            (4, |node| node.0 = Some(2)),
            (4, |node| node.0 = Some(77)),
            (4, |node| node.0 = None),
        ];
        for (number, change) in changes {
            let bytes = encode(|at, node| {
                if at == number {
                    change(node)
                }
            });
            assert!(Index::decode(&bytes, 2, TAR_LEN).is_err(), "node {number}");
        }
    }

    #[test]
    fn closed_directory_takes_no_more_files() {
        let bytes = encode(|at, node| {
            if at == 4 {
                node.0 = Some(1);
            }
        });
        assert!(Index::decode(&bytes, 2, TAR_LEN).is_err());
    }

    #[test]
    fn damage_is_refused() {
        let bytes = encode(|_, _| {});
        for len in 0..bytes.len() {
            assert!(Index::decode(&bytes[..len], 2, TAR_LEN).is_err(), "cut to {len}");
        }
        assert!(Index::decode(&bytes, 3, TAR_LEN).is_err(), "a store path without files");
        assert!(Index::decode(&bytes, 1, TAR_LEN).is_err(), "files without a store path");
        assert!(Index::decode(&bytes, 2, 600).is_err(), "content past the end");
    }
}
