//! Tar streams: their entries, their order and their positions.
//!
//! Only the layout stays in memory. Each piece of a stream is made on demand, headers included.

use std::io;

use format::Extent;
use tar::{EntryType, Header};

use crate::error::{Error, Result};
use crate::output::frame::{self, Boundary, Span};
use crate::output::order::{self, Group};
use crate::scan::content::Content;
use crate::source::node::Kind;
use crate::source::store::Store;
use crate::source::tree::Tree;
use runtime::error::Escaped;

/// Bytes of a tar block.
const BLOCK: u64 = 512;

/// Bytes of the archive's end: two empty blocks.
const END_LEN: u64 = 2 * BLOCK;

/// A tar entry: header blocks, content, zeros up to a whole block.
struct Item {
    node: u32,
    /// The node that it is a hard link to; the node itself unless it is a duplicate.
    first: u32,
    start: u64,
    content: Extent,
}

impl Item {
    fn end(&self) -> u64 {
        self.content.end().next_multiple_of(BLOCK)
    }
}

/// The layout of a tar stream.
pub(crate) struct Layout {
    /// The directory of the store in the archive, such as `nix/store/`.
    store: &'static str,
    /// Whole entries at the start of the stream.
    front: Vec<u8>,
    items: Vec<Item>,
    len: u64,
}

impl Layout {
    /// Lays out nodes in this order, each with the node that it is a hard link to, behind the entries in `front`.
    pub(crate) fn new(
        tree: &Tree,
        store: &'static str,
        front: Vec<u8>,
        nodes: impl Iterator<Item = (u32, u32)>,
    ) -> Layout {
        let mut len = front.len() as u64;
        let item = |(node, first)| {
            let content = match tree.node(node).kind {
                Kind::File { len, .. } if first == node => len,
                _ => 0,
            };
            let start = len + headers(tree, store, node, first).len() as u64;
            let item = Item { node, first, start: len, content: Extent { start, len: content } };
            len = item.end();
            item
        };
        let items = nodes.map(item).collect();
        Layout { store, front, items, len: len + END_LEN }
    }

    /// Bytes of the whole stream.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `piece` with the bytes of the stream from `start` on; `piece` must be all zeros.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is now shorter.
    pub(crate) fn fill(
        &self,
        store: &Store,
        tree: &Tree,
        start: u64,
        piece: &mut [u8],
    ) -> Result<()> {
        let end = start + piece.len() as u64;
        let front = Extent { start: 0, len: self.front.len() as u64 };
        if let Some((at, part)) = overlap(start, piece, front) {
            part.copy_from_slice(&self.front[at..][..part.len()]);
        }
        let first = self.items.partition_point(|item| item.end() <= start);
        for item in self.items[first..].iter().take_while(|item| item.start < end) {
            let headers = headers(tree, self.store, item.node, item.first);
            let extent = Extent { start: item.start, len: headers.len() as u64 };
            if let Some((at, part)) = overlap(start, piece, extent) {
                part.copy_from_slice(&headers[at..][..part.len()]);
            }
            if let Some((at, part)) = overlap(start, piece, item.content) {
                let location = tree.location(item.node);
                let read =
                    |part: &mut [u8]| store.open_file(&location)?.read_exact_at(part, at as u64);
                read(part).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        Error::Changed { path: Escaped(&location).to_string() }
                    }
                    _ => Error::in_store("read", &location, error),
                })?;
            }
        }
        Ok(())
    }
}

/// What a tar entry of a bundle is; the stream has them in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A file with a content of its own: the group and the subset of its store path.
    File(Group, u32),
    /// A hard link to one.
    Copy,
    /// A directory or a symbolic link.
    Other,
}

impl Place {
    /// Entries with the same value share frames: files of one group and subset, or all that is no file.
    fn frames(self) -> Option<(Group, u32)> {
        match self {
            Place::File(group, subset) => Some((group, subset)),
            Place::Copy | Place::Other => None,
        }
    }
}

/// The layout of a bundle's tar stream.
pub(crate) struct BundleLayout {
    tar: Layout,
    /// The number of items in each part of the stream that gets frames of its own: the files with their own content,
    /// group by group, come first.
    parts: Vec<usize>,
    /// For each node, the position after its headers. For a file with its own content, the content starts there.
    starts: Vec<u64>,
}

impl BundleLayout {
    /// Lays out the tree: files group by group, in a group by the subset of their store path, and there in an order
    /// that compresses well; then duplicates, as hard links to them; then the directories and symbolic links in the
    /// tree's order. `subsets` has a number for each store path.
    ///
    /// Directories come after the files, depth first. A `tar` that does not run as root gives a directory its
    /// final permissions 0555 at the next entry outside of it, and can then put no more files into it.
    pub(crate) fn new(tree: &Tree, content: &Content, subsets: &[u32]) -> BundleLayout {
        let groups = order::groups(tree, content);
        let part = |number: u32| match tree.node(number).kind {
            Kind::File { .. } if content.first(number) == number => {
                let path = tree.path_of(number);
                Place::File(groups[path], subsets[path])
            }
            Kind::File { .. } => Place::Copy,
            Kind::Directory | Kind::Symlink { .. } => Place::Other,
        };
        let mut order: Vec<u32> = tree.iter().map(|(number, _)| number).collect();
        order.sort_by_cached_key(|number| {
            let similarity = match tree.node(*number).kind {
                Kind::File { executable, .. } if matches!(part(*number), Place::File(..)) => {
                    Some(order::similarity(&tree.location(*number), executable))
                }
                _ => None,
            };
            (part(*number), similarity)
        });
        let parts = order.chunk_by(|a, b| part(*a).frames() == part(*b).frames());
        let mut parts: Vec<usize> = parts.map(<[u32]>::len).collect();
        if parts.is_empty() {
            parts.push(0);
        }
        let nodes = order.iter().map(|node| (*node, content.first(*node)));
        let tar = Layout::new(tree, STORE, Vec::new(), nodes);
        let mut starts = vec![0; order.len()];
        for item in &tar.items {
            starts[item.node as usize] = item.content.start;
        }
        BundleLayout { tar, parts, starts }
    }

    /// The stream.
    pub(crate) fn tar(&self) -> &Layout {
        &self.tar
    }

    /// Cuts the stream into spans of at most `max` bytes.
    ///
    /// The entries after the files name every store path, so they change when any store path changes. They get
    /// their own spans, and so does each group of files, and each subset in it.
    pub(crate) fn spans(&self, content: &Content, max: u64) -> Vec<Span> {
        let boundary = |item: &Item| Boundary { end: item.end(), rank: content.rank(item.node) };
        let mut spans = Vec::new();
        let (mut start, mut items) = (0, self.tar.items.as_slice());
        for len in &self.parts {
            let (part, rest) = items.split_at(*len);
            let mut boundaries: Vec<Boundary> = part.iter().map(boundary).collect();
            // The archive's end belongs to the last part.
            if rest.is_empty() {
                boundaries.push(Boundary { end: self.tar.len, rank: 0 });
            }
            spans.extend(frame::cut(start, &boundaries, max));
            start = boundaries.last().map_or(start, |last| last.end);
            items = rest;
        }
        spans
    }

    /// Returns the position of a file's content in the stream.
    pub(crate) fn extent(&self, tree: &Tree, content: &Content, file: u32) -> Extent {
        let len = match tree.node(file).kind {
            Kind::File { len, .. } => len,
            _ => 0,
        };
        Extent { start: self.starts[content.first(file) as usize], len }
    }
}

/// Returns the part of an extent that is in a piece of the stream which begins at `start`: its offset in the
/// extent, and its bytes in the piece.
fn overlap(start: u64, piece: &mut [u8], extent: Extent) -> Option<(usize, &mut [u8])> {
    let from = extent.start.max(start);
    let to = extent.end().min(start + piece.len() as u64);
    if from >= to {
        return None;
    }
    let index = |place: u64| usize::try_from(place).ok();
    let part = piece.get_mut(index(from - start)?..index(to - start)?)?;
    Some((index(from - extent.start)?, part))
}

/// The directory of the store in a bundle's tar stream.
const STORE: &str = "nix/store/";

/// Makes the header blocks of a node's tar entry; a hard link if `first` is another node.
fn headers(tree: &Tree, store: &str, number: u32, first: u32) -> Vec<u8> {
    let node = tree.node(number);
    let name = |number| [store.as_bytes(), &tree.location(number)].concat();
    let (name, first_name) = (name(number), || name(first));
    match &node.kind {
        Kind::Directory => {
            let name = [name.as_slice(), b"/"].concat();
            entry(EntryType::Directory, &name, b"", 0o555, 0)
        }
        Kind::Symlink { target } => entry(EntryType::Symlink, &name, target, 0o777, 0),
        Kind::File { executable, len } => {
            let permissions = if *executable { 0o555 } else { 0o444 };
            if first == number {
                entry(EntryType::Regular, &name, b"", permissions, *len)
            } else {
                entry(EntryType::Link, &name, &first_name(), permissions, 0)
            }
        }
    }
}

/// Makes a header block, after GNU blocks for a name or target that is too long.
///
/// POSIX blocks would need names in UTF-8, but names are any bytes.
pub(crate) fn entry(
    kind: EntryType,
    name: &[u8],
    link: &[u8],
    permissions: u32,
    len: u64,
) -> Vec<u8> {
    let mut blocks = Vec::new();
    let mut header = Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        if link.len() > ustar.linkname.len() {
            long(&mut blocks, EntryType::GNULongLink, link);
        }
        put(&mut ustar.linkname, link);
        match split(name, ustar.prefix.len(), ustar.name.len()) {
            Some((prefix, name)) => {
                put(&mut ustar.prefix, prefix);
                put(&mut ustar.name, name);
            }
            None => {
                long(&mut blocks, EntryType::GNULongName, name);
                put(&mut ustar.name, name);
            }
        }
    }
    finish(header, kind, permissions, len, &mut blocks);
    blocks
}

/// Splits a name into the fields `prefix` and `name` of a POSIX header; the slash between them is left out.
fn split(name: &[u8], prefix_len: usize, name_len: usize) -> Option<(&[u8], &[u8])> {
    if name.len() <= name_len {
        return Some((b"", name));
    }
    let from = name.len().checked_sub(name_len + 1)?;
    // The slash at the end of a directory's name belongs to the name.
    let to = (prefix_len + 1).min(name.len() - 1);
    let at = from + name.get(from..to)?.iter().position(|byte| *byte == b'/')?;
    Some((&name[..at], &name[at + 1..]))
}

fn long(blocks: &mut Vec<u8>, kind: EntryType, name: &[u8]) {
    let mut header = Header::new_gnu();
    if let Some(gnu) = header.as_gnu_mut() {
        put(&mut gnu.name, b"././@LongLink");
    }
    finish(header, kind, 0, name.len() as u64 + 1, blocks);
    blocks.extend_from_slice(name);
    // At least one zero ends the name.
    let len = (blocks.len() + 1).next_multiple_of(512);
    blocks.resize(len, 0);
}

fn finish(mut header: Header, kind: EntryType, permissions: u32, len: u64, blocks: &mut Vec<u8>) {
    header.set_entry_type(kind);
    header.set_mode(permissions);
    header.set_size(len);
    header.set_uid(0);
    header.set_gid(0);
    // Nix uses 1 too, since some programs take 0 for "no time".
    header.set_mtime(1);
    header.set_cksum();
    blocks.extend_from_slice(header.as_bytes());
}

/// Copies as many bytes as fit into the field.
fn put(field: &mut [u8], bytes: &[u8]) {
    let len = field.len().min(bytes.len());
    field[..len].copy_from_slice(&bytes[..len]);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::scan::content;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    /// Makes the whole stream in pieces of `piece_len` bytes; returns it with its layout.
    fn stream(store: &TestStore, piece_len: usize) -> (Tree, Content, BundleLayout, Vec<u8>) {
        let store = store.open();
        let (tree, content) = content::tests::read(&store);
        let layout = BundleLayout::new(&tree, &content, &vec![0; tree.paths.len()]);
        let mut stream = vec![0; usize::try_from(layout.tar().len()).unwrap()];
        for (number, piece) in stream.chunks_mut(piece_len).enumerate() {
            let start = (number * piece_len) as u64;
            layout.tar().fill(&store, &tree, start, piece).unwrap();
        }
        (tree, content, layout, stream)
    }

    fn example() -> TestStore {
        let store = TestStore::new();
        let deep = format!("{GLIBC}/{}/{}", "d".repeat(120), "e".repeat(200));
        store.file(&format!("{deep}/file"), "deep").file(&format!("{GLIBC}/empty"), "");
        store.program(&format!("{GLIBC}/run.sh"), "x".repeat(1000));
        store.file(&format!("{BASH}/copy"), "deep").link(&format!("{BASH}/link"), "./a//b/");
        store.link(&format!("{BASH}/long"), &format!("/{}", "t/".repeat(150)));
        store
    }

    #[test]
    fn other_readers_understand_it() {
        let (_, _, _, stream) = stream(&example(), 777);
        let mut archive = tar::Archive::new(stream.as_slice());
        let mut entries = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.mtime().unwrap(), header.uid().unwrap()), (1, 0));
            let (kind, mode) = (header.entry_type(), header.mode().unwrap());
            let name = entry.path_bytes().into_owned();
            let link = entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            entries.push((kind, mode, text(name), text(link), bytes.len()));
        }
        let deep = format!("nix/store/{GLIBC}/{}/{}", "d".repeat(120), "e".repeat(200));
        let entry = |kind, mode, name: &str, link: &str, len| {
            (kind, mode, name.to_owned(), link.to_owned(), len)
        };
        use EntryType::{Directory, Link, Regular, Symlink};
        let (glibc, bash) = (format!("nix/store/{GLIBC}"), format!("nix/store/{BASH}"));
        let expected = [
            entry(Regular, 0o444, &format!("{deep}/file"), "", 4),
            entry(Regular, 0o444, &format!("{glibc}/empty"), "", 0),
            entry(Regular, 0o555, &format!("{glibc}/run.sh"), "", 1000),
            entry(Link, 0o444, &format!("{bash}/copy"), &format!("{deep}/file"), 0),
            entry(Directory, 0o555, &format!("{glibc}/"), "", 0),
            entry(Directory, 0o555, &format!("{glibc}/{}/", "d".repeat(120)), "", 0),
            entry(Directory, 0o555, &format!("{deep}/"), "", 0),
            entry(Directory, 0o555, &format!("{bash}/"), "", 0),
            entry(Symlink, 0o777, &format!("{bash}/link"), "./a//b/", 0),
            entry(Symlink, 0o777, &format!("{bash}/long"), &format!("/{}", "t/".repeat(150)), 0),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn pieces_of_any_length_make_the_same_stream() {
        let store = example();
        let (.., whole) = stream(&store, usize::MAX);
        assert_eq!(whole.len() % 512, 0);
        for piece_len in [1, 500, 512, 513, 4096] {
            assert!(stream(&store, piece_len).3 == whole, "{piece_len}");
        }
    }

    #[test]
    fn extents_are_where_the_content_is() {
        let (tree, content, layout, stream) = stream(&example(), 4096);
        for (number, node) in tree.iter() {
            let expected: &[u8] = match node.name.as_slice() {
                b"file" | b"copy" => b"deep",
                b"run.sh" => &[b'x'; 1000],
                _ => continue,
            };
            let extent = layout.extent(&tree, &content, number);
            let [start, end] = [extent.start, extent.end()].map(|n| usize::try_from(n).unwrap());
            assert_eq!(&stream[start..end], expected);
        }
    }

    #[test]
    fn what_follows_the_files_has_its_own_span() {
        let (_, content, layout, stream) = stream(&example(), 4096);
        let [files, others] = layout.spans(&content, 1 << 20)[..] else { panic!("not two spans") };
        assert_eq!((files.start, files.len), (0, others.start));
        assert_eq!(others.start + others.len, stream.len() as u64);
        let mut archive = tar::Archive::new(&stream[usize::try_from(others.start).unwrap()..]);
        let first = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(first.header().entry_type(), EntryType::Link);
    }

    #[test]
    fn names_of_bytes_and_large_files_fit() {
        let name = [b"nix/store/\xff\n".as_slice(), &[b'n'; 250]].concat();
        let blocks = entry(EntryType::Regular, &name, b"", 0o444, 5 << 40);
        let mut archive = tar::Archive::new(blocks.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().as_os_str().as_bytes(), name);
        assert_eq!(entry.size(), 5 << 40);
    }

    #[test]
    fn names_are_split_at_slashes() {
        for (name, expected) in [
            ("abc", Some(("", "abc"))),
            ("abcd/efg", Some(("abcd", "efg"))),
            ("ab/cd/efg", Some(("ab", "cd/efg"))),
            ("a/bcdefghij", None),
            ("abcdefgh/ij", None),
            ("abcdefghi/", None),
        ] {
            let split = split(name.as_bytes(), 6, 6);
            let expected = expected.map(|(prefix, name)| (prefix.as_bytes(), name.as_bytes()));
            assert_eq!(split, expected, "{name}");
        }
    }
}
