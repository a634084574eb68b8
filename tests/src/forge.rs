//! Takes a bundle apart, and puts altered parts together with right digests.

use std::fs::{self, Permissions};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use format::{
    DESCRIPTOR_LEN, Descriptor, Digest, Extent, Index, Kind, NOTE_NAME, NOTE_TYPE, NodeContent,
    Reference, SKIPPABLE_HEADER_LEN, Section, SectionKind, SectionTable, SeekTable, Symlink,
};

use crate::bundle::Bundle;
use crate::program::probe;
use crate::store::Store;

/// A bundle in parts, which can be put together again with right digests, whatever the parts say.
///
/// So what refuses it are the rules behind the digests, as if the packer itself had been hostile.
#[derive(Clone, Debug)]
pub struct Forge {
    stub: Vec<u8>,
    /// Where the descriptor is in the stub.
    note: usize,
    /// The descriptor; what it says of the other parts is written anew.
    pub descriptor: Descriptor,
    /// The frames of the tar stream.
    pub frames: Vec<Forged>,
    /// The manifest.
    pub manifest: Forged,
    /// The list of files.
    pub nodes: Vec<Node>,
    /// The index, in place of the one that is made of the nodes.
    pub index: Option<Forged>,
}

/// Compressed bytes.
#[derive(Clone, Debug)]
pub struct Forged {
    /// The bytes as they are in the file.
    pub stored: Vec<u8>,
    /// Bytes that they are said to become.
    pub len: u32,
}

/// A node of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The number of its directory.
    pub parent: Option<u32>,
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// References in its content or target.
    pub references: Vec<Reference>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A file with this place in the tar stream, which may be executable.
    File(Extent, Option<Executable>),
    /// A link to a target.
    Link(Vec<u8>),
}

/// What a file is that is more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executable {
    /// A program.
    Program,
    /// A compiled Python module that checks its source.
    Module,
}

/// A region of a bundle, as errors name it, and the bytes it has in the file.
pub type Region = (String, Range<usize>);

impl Forged {
    /// Compresses bytes.
    #[must_use]
    pub fn of(content: &[u8]) -> Forged {
        let mut stored = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
        zstd_safe::compress(&mut stored, content, 1).expect("zstd compresses");
        Forged { stored, len: content.len().try_into().expect("a part is small") }
    }

    /// The bytes that were compressed.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.len as usize);
        zstd_safe::decompress(&mut content, &self.stored).expect("zstd decompresses");
        content
    }

    fn stored(stored: &[u8]) -> Forged {
        let len = zstd_safe::get_frame_content_size(stored).ok().flatten();
        let len = len.and_then(|len| len.try_into().ok()).expect("a frame tells its length");
        Forged { stored: stored.to_vec(), len }
    }
}

impl Forge {
    /// A small bundle: a store path with the probe, a text and a link that refer to the second, which has a file.
    #[must_use]
    pub fn small() -> Forge {
        let store = Store::new();
        let at = |name: &str| format!("{}/{name}", Store::PATH);
        store.program(at("bin/probe"), &probe());
        let reference = format!("/nix/store/{}/share/other", Store::OTHER);
        store.link(at("share/link"), reference.as_bytes());
        store.file(at("share/text"), reference.as_bytes());
        store.file(format!("{}/share/other", Store::OTHER), &[b'o'; 5000]);
        let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
        Forge::of(&bundle.pack_into(store.root()))
    }

    /// The node with this name, and its number.
    pub fn node(&mut self, name: &str) -> (u32, &mut Node) {
        let mut nodes = (0..).zip(&mut self.nodes);
        nodes.find(|(_, node)| node.name == name.as_bytes()).expect("there is a node of that name")
    }

    /// Takes a bundle apart.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Forge {
        let bytes = fs::read(&bundle.path).expect("read a bundle");
        let (note, descriptor) = descriptor(&bytes);
        let part = |section: Section| &bytes[range(section.offset, section.len)];
        let table = SeekTable::decode(part(descriptor.sections.seek_table)).expect("a seek table");
        let frames = table.data_frames().iter().map(|frame| {
            let offset = descriptor.stub_len + frame.offset;
            Forged::stored(&bytes[range(offset, frame.compressed_len.into())])
        });
        let index = Forged::stored(part(descriptor.sections.index)).content();
        let paths = bundle.inspect()["store_paths"].as_array().expect("a list").len();
        let index = Index::decode(&index, paths, table.tar_len()).expect("an index");
        Forge {
            stub: bytes[..range(0, descriptor.stub_len).end].to_vec(),
            note,
            frames: frames.collect(),
            manifest: Forged::stored(part(descriptor.sections.manifest)),
            nodes: index.nodes.iter().map(node).collect(),
            index: None,
            descriptor,
        }
    }

    /// The tar stream.
    #[must_use]
    pub fn tar(&self) -> Vec<u8> {
        self.frames.iter().flat_map(Forged::content).collect()
    }

    /// Cuts a tar stream into as many frames, wherever that is.
    pub fn set_tar(&mut self, tar: &[u8], frames: usize) {
        self.frames = tar.chunks(tar.len().div_ceil(frames)).map(Forged::of).collect();
    }

    /// The index, uncompressed.
    #[must_use]
    pub fn index_content(&self) -> Vec<u8> {
        let digests: Vec<Digest> =
            self.frames.iter().map(|frame| Digest::of(&frame.stored)).collect();
        let mut index = Index::writer(&digests, self.nodes.len()).expect("begin an index");
        for Node { parent, name, kind, references } in &self.nodes {
            let content = match kind {
                NodeKind::Directory => NodeContent::Directory,
                NodeKind::Link(target) => NodeContent::Symlink { target, references },
                NodeKind::File(content, executable) => NodeContent::File {
                    executable: *executable == Some(Executable::Program),
                    content: *content,
                    references,
                    checked_pyc: *executable == Some(Executable::Module),
                },
            };
            index.node(*parent, name, &content).expect("write a node");
        }
        index.finish()
    }

    /// Puts the parts together.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.stub.clone();
        let mut rows = Vec::new();
        let row = |stored: usize, len: u32| {
            let stored = u32::try_from(stored).expect("a part is small");
            [stored.to_le_bytes(), len.to_le_bytes()].concat()
        };
        for Forged { stored, len } in &self.frames {
            bytes.extend_from_slice(stored);
            rows.extend(row(stored.len(), *len));
        }
        let index = self.index.clone().unwrap_or_else(|| Forged::of(&self.index_content()));
        let sections = SectionTable::try_from_fn::<()>(|kind| {
            let stored = match kind {
                SectionKind::Manifest => &self.manifest.stored,
                SectionKind::Index => &index.stored,
                SectionKind::SeekTable => {
                    // By hand, since the writer of the format refuses what is over a limit.
                    let empty = SeekTable::default().encode().expect("an empty table");
                    let count = u32::try_from(self.frames.len() + 2).expect("there are few frames");
                    let table = [rows.as_slice(), &count.to_le_bytes(), &empty[4..]].concat();
                    return Ok(skippable(&mut bytes, kind, &table));
                }
            };
            rows.extend(row(stored.len() + SKIPPABLE_HEADER_LEN, 0));
            Ok(skippable(&mut bytes, kind, stored))
        })
        .expect("nothing fails");
        let descriptor =
            Descriptor { file_len: bytes.len() as u64, sections, ..self.descriptor.clone() };
        let descriptor = descriptor.encode().expect("the descriptor fits");
        bytes[self.note..][..DESCRIPTOR_LEN].copy_from_slice(&descriptor);
        bytes
    }

    /// Writes the bundle.
    pub fn write(&self, path: &Path) -> Bundle {
        fs::write(path, self.bytes()).expect("write a bundle");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("set its mode");
        Bundle { path: path.to_owned() }
    }
}

/// The regions of a bundle behind the stub's code, and its descriptor.
#[must_use]
pub fn regions(bytes: &[u8]) -> Vec<Region> {
    let (note, descriptor) = descriptor(bytes);
    let part = |section: &Section| range(section.offset, section.len);
    let table =
        SeekTable::decode(&bytes[part(&descriptor.sections.seek_table)]).expect("a seek table");
    let mut regions = vec![("descriptor".to_owned(), note..note + DESCRIPTOR_LEN)];
    for (number, frame) in table.data_frames().iter().enumerate() {
        let offset = descriptor.stub_len + frame.offset;
        regions.push((format!("frame {number}"), range(offset, frame.compressed_len.into())));
    }
    for kind in SectionKind::ALL {
        let Range { start, end } = part(descriptor.sections.get(kind));
        regions.push((kind.part().to_string(), start - SKIPPABLE_HEADER_LEN..end));
    }
    regions
}

/// Finds the descriptor by the header of its note.
fn descriptor(bytes: &[u8]) -> (usize, Descriptor) {
    let name = [NOTE_NAME.as_bytes(), b"\0"].concat();
    let lengths = [name.len(), DESCRIPTOR_LEN].map(|len| u32::try_from(len).expect("short"));
    let [name_len, len] = lengths.map(u32::to_le_bytes);
    let header = [&name_len, &len, &NOTE_TYPE.to_le_bytes(), name.as_slice(), b"\0"].concat();
    let at = bytes.windows(header.len()).position(|window| window == header);
    let note = at.expect("a bundle has the note") + header.len();
    let note_bytes = bytes[note..].first_chunk().expect("a whole note");
    (note, Descriptor::decode(note_bytes).expect("a descriptor").0)
}

fn range(offset: u64, len: u64) -> Range<usize> {
    let number = |number: u64| usize::try_from(number).expect("a bundle fits into memory");
    number(offset)..number(offset + len)
}

fn skippable(bytes: &mut Vec<u8>, kind: SectionKind, content: &[u8]) -> Section {
    let len = u32::try_from(content.len()).expect("a part is small");
    bytes.extend(kind.header(len));
    let offset = bytes.len() as u64;
    bytes.extend_from_slice(content);
    Section { offset, len: len.into(), digest: Digest::of(content) }
}

fn node(node: &format::Node<'_>) -> Node {
    let (kind, references) = match node.kind {
        Kind::Directory => (NodeKind::Directory, Vec::new()),
        Kind::File { executable, content, references, checked_pyc } => {
            let module = checked_pyc.then_some(Executable::Module);
            let executable = executable.then_some(Executable::Program).or(module);
            (NodeKind::File(content, executable), references.iter().collect())
        }
        Kind::Symlink(Symlink { target, references }) => {
            (NodeKind::Link(target.to_vec()), references.iter().collect())
        }
    };
    Node { parent: node.parent, name: node.name.to_vec(), kind, references }
}
