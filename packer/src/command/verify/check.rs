//! Checks every digest, and that the index, the tar stream and the NAR hashes agree.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;

use format::nar::{self, NarHasher};
use format::{Extent, Hasher, Index, Kind, Node, PackedPath, STORE_DIR, Symlink};
use runtime::payload::FrameReader;
use tar::{Archive, EntryType};

use crate::error::{Error, Result};
use crate::source::bundle::Bundle;
use crate::source::reader::BUFFER_LEN;
use runtime::error::Escaped;

use crate::show;
use crate::trust::content_address::Held;

/// What a bundle holds, computed from its bytes.
pub(crate) struct Checked {
    /// The number of files, without links.
    pub(crate) files: usize,
    /// What each store path holds.
    pub(crate) paths: Vec<Held>,
}

/// Checks an open bundle.
///
/// # Errors
///
/// The first problem that it finds.
pub(crate) fn check(bundle: &Bundle) -> Result<Checked> {
    let contradiction = |what| Error::Contradiction { path: bundle.path.clone(), what };
    let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
    let frames = bundle.sections.seek_table.data_frames();
    let expected = expected(&bundle.sections.manifest.paths, &index);
    if bundle.sections.seek_table.tar_len() > longest(&expected) {
        return Err(contradiction("the archive is longer than its files".to_owned()));
    }

    // A file, because the tar stream can be larger than memory and is read in two orders.
    let mut stream = tempfile::tempfile().map_err(temporary)?;
    let mut write_error = None;
    bundle.run(|payload| {
        let mut reader = FrameReader::new(payload, frames)?;
        for ((number, frame), digest) in (0..).zip(frames).zip(&index.frames) {
            let content = reader.read(number, frame, *digest)?;
            if let Err(error) = stream.write_all(content) {
                write_error = Some(error);
                break;
            }
        }
        Ok(())
    })?;
    if let Some(error) = write_error {
        return Err(temporary(error));
    }
    stream.rewind().map_err(temporary)?;

    let paths = &bundle.sections.manifest.paths;
    check_tar(&stream, expected).map_err(contradiction)?;
    let held = check_nar_hashes(&stream, paths, &index)?.map_err(contradiction)?;
    let files = index.nodes.iter().filter(|node| matches!(node.kind, Kind::File { .. })).count();
    Ok(Checked { files, paths: held })
}

/// Bytes of a tar block.
const BLOCK_LEN: u64 = 512;

fn temporary(source: std::io::Error) -> Error {
    Error::Temporary { directory: show::path(&std::env::temp_dir()), source }
}

/// A tar entry as the index describes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    kind: EntryType,
    permissions: u32,
    target: Vec<u8>,
    content: Extent,
}

/// Checks that the tar archive and the index list the same files with the same contents.
pub(crate) fn check_tar(
    stream: impl Read,
    mut expected: HashMap<Vec<u8>, Expected>,
) -> std::result::Result<(), String> {
    let mut contents: HashMap<Vec<u8>, Extent> = HashMap::new();
    for entry in Archive::new(stream).entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.path_bytes().strip_suffix(b"/").unwrap_or(&entry.path_bytes()).to_vec();
        let wrong = || format!("the archive and the index differ in {}", Escaped(&name));
        let node = expected.remove(&name).ok_or_else(wrong)?;
        let header = entry.header();
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let content = match header.entry_type() {
            EntryType::Regular => Extent { start: entry.raw_file_position(), len: entry.size() },
            // A hard link has the content of an earlier entry.
            EntryType::Link => *contents.get(&target).ok_or_else(wrong)?,
            _ => node.content,
        };
        let (kind, target) = match header.entry_type() {
            EntryType::Link => (EntryType::Regular, Vec::new()),
            kind => (kind, target),
        };
        contents.insert(name.clone(), content);
        let permissions = header.mode().map_err(|error| error.to_string())?;
        // The start of an empty file has no meaning.
        let content = if content.len == 0 { node.content } else { content };
        if node != (Expected { kind, permissions, target, content }) {
            return Err(wrong());
        }
    }
    match expected.into_keys().next() {
        Some(name) => Err(format!("{} is not in the archive", Escaped(&name))),
        None => Ok(()),
    }
}

/// Returns the largest length that the tar archive can have.
fn longest(expected: &HashMap<Vec<u8>, Expected>) -> u64 {
    let entry = |(name, Expected { target, content, .. }): (&Vec<u8>, &Expected)| {
        // A name or target that does not fit into the header has an extra entry of its own.
        let long = |text: &[u8]| BLOCK_LEN + (text.len() as u64 + 2).next_multiple_of(BLOCK_LEN);
        BLOCK_LEN + long(name) + long(target) + content.len.next_multiple_of(BLOCK_LEN)
    };
    // Two empty blocks end the archive.
    expected.iter().map(entry).fold(2 * BLOCK_LEN, u64::saturating_add)
}

/// Returns the index's nodes by their names in the archive.
pub(crate) fn expected(paths: &[PackedPath], index: &Index<'_>) -> HashMap<Vec<u8>, Expected> {
    let mut roots = paths.iter();
    let mut names: Vec<Vec<u8>> = Vec::with_capacity(index.nodes.len());
    for node in &index.nodes {
        names.push(match node.parent {
            // The number of a parent is smaller than that of its child.
            Some(parent) => [&names[parent as usize], b"/".as_slice(), node.name].concat(),
            None => {
                let path = roots.next().map(|root| format!("{STORE_DIR}/{}", root.path));
                path.unwrap_or_default().trim_start_matches('/').into()
            }
        });
    }
    let none = Extent { start: 0, len: 0 };
    let expect = |kind, permissions, target: &[u8], content| Expected {
        kind,
        permissions,
        target: target.into(),
        content,
    };
    let entry = |node: &Node<'_>| match node.kind {
        Kind::Directory => expect(EntryType::Directory, 0o555, b"", none),
        Kind::Symlink(Symlink { target, .. }) => expect(EntryType::Symlink, 0o777, target, none),
        Kind::File { executable, content, .. } => {
            expect(EntryType::Regular, if executable { 0o555 } else { 0o444 }, b"", content)
        }
    };
    names.into_iter().zip(index.nodes.iter().map(entry)).collect()
}

/// Checks the NAR hash of every store path; returns what each holds.
fn check_nar_hashes(
    stream: &File,
    paths: &[PackedPath],
    index: &Index<'_>,
) -> Result<std::result::Result<Vec<Held>, String>> {
    let mut all = Vec::with_capacity(paths.len());
    let mut nodes = (0..).zip(&index.nodes).peekable();
    let mut buffer = vec![0; BUFFER_LEN];
    for packed in paths {
        let mut nar = NarHasher::begin();
        // Of a store path that is a single file.
        let mut file: Option<Hasher> = None;
        let mut is_root = true;
        while let Some((number, node)) =
            nodes.next_if(|(_, node)| node.parent.is_some() || std::mem::take(&mut is_root))
        {
            nar.node(number, node.parent, node.name, kind(node));
            if let Kind::File { content, executable, .. } = node.kind {
                file = (node.parent.is_none() && !executable).then(Hasher::new);
                let mut at = content.start;
                while at < content.end() {
                    let rest = usize::try_from(content.end() - at).unwrap_or(usize::MAX);
                    let len = rest.min(buffer.len());
                    let piece = &mut buffer[..len];
                    stream.read_exact_at(piece, at).map_err(temporary)?;
                    nar.bytes(piece);
                    if let Some(file) = &mut file {
                        file.update(piece);
                    }
                    at += piece.len() as u64;
                }
                nar.end_file();
            }
        }
        let (hash, len) = nar.finish();
        if (hash, len) != (packed.nar_hash, packed.nar_len) {
            return Ok(Err(format!("{STORE_DIR}/{} has a different NAR hash", packed.path)));
        }
        all.push(Held { nar: hash, file: file.map(Hasher::finish) });
    }
    Ok(Ok(all))
}

fn kind<'a>(node: &Node<'a>) -> nar::Kind<'a> {
    match node.kind {
        Kind::Directory => nar::Kind::Directory,
        Kind::File { executable, content, .. } => nar::Kind::File { executable, len: content.len },
        Kind::Symlink(Symlink { target, .. }) => nar::Kind::Symlink { target },
    }
}
