//! Everything behind the stub: frames, manifest, index, seek table.

use std::num::NonZeroUsize;

use format::{
    Content as NodeContent, Digest, INDEX_MAGIC, Index, MANIFEST_MAGIC, Manifest, Mode, Modes,
    SEEK_TABLE_MAGIC, SKIPPABLE_HEADER_LEN, Section, SeekTable, limits,
};

use crate::content::Content;
use crate::error::{Error, Result};
use crate::frame::{self, FrameCache};
use crate::parallel;
use crate::progress::Progress;
use crate::reference::Hashes;
use crate::store::Store;
use crate::tar::Layout;
use crate::tree::{Kind, Tree};
use crate::write::Output;

/// What the payload is made from.
pub(crate) struct Source<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tree: &'a Tree,
    pub(crate) content: &'a Content,
    pub(crate) layout: &'a Layout,
    pub(crate) manifest: &'a Manifest,
    /// References are written only for bundles that may be relocated.
    pub(crate) modes: Modes,
    /// The hashes that may not show in the output.
    pub(crate) hidden: &'a Hashes,
}

/// How it is made.
pub(crate) struct Options {
    /// zstd's.
    pub(crate) level: i32,
    pub(crate) threads: NonZeroUsize,
    pub(crate) cache: FrameCache,
}

/// Where the payload and its sections are in the file.
pub(crate) struct Payload {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) manifest: Section,
    pub(crate) index: Section,
    pub(crate) seek_table: Section,
    /// Frames of the tar stream.
    pub(crate) frames: usize,
}

/// Appends the payload to the output.
///
/// # Errors
///
/// If a file cannot be read, the output not be written, or a limit of the format is passed.
pub(crate) fn write(
    output: &mut Output,
    source: &Source<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Payload> {
    let start = output.len();
    let mut writer = Writer { output, hidden: source.hidden, options, table: SeekTable::default() };
    let digests = writer.frames(source, progress)?;
    let frames = digests.len();
    let manifest = writer.compressed(MANIFEST_MAGIC, &source.manifest.encode()?)?;
    let index = writer.compressed(INDEX_MAGIC, &index(source, &digests)?)?;
    let table = writer.table.encode()?;
    let seek_table = writer.skippable(SEEK_TABLE_MAGIC, &table)?;
    Ok(Payload { start, end: output.len(), manifest, index, seek_table, frames })
}

struct Writer<'a> {
    output: &'a mut Output,
    hidden: &'a Hashes,
    options: &'a Options,
    table: SeekTable,
}

impl Writer<'_> {
    /// Writes the frames of the tar stream; returns their digests.
    fn frames(&mut self, source: &Source<'_>, progress: &Progress) -> Result<Vec<Digest>> {
        let Options { level, threads, ref cache } = *self.options;
        let hidden = self.hidden;
        let spans = source.layout.spans(source.content, frame::max_len(level));
        let mut digests = Vec::with_capacity(spans.len());
        let compress = |number: usize| {
            let span = spans[number];
            let mut piece = vec![0; to_len(span.len)?];
            let Source { store, tree, content, layout, .. } = source;
            layout.fill(store, tree, content, span.start, &mut piece)?;
            let frame = cache.compress(&piece, level, hidden)?;
            Ok((piece.len(), Digest::of(&frame), frame))
        };
        parallel::in_order(threads, spans.len(), compress, |(len, digest, frame)| {
            self.table.push(to_u32(frame.len())?, to_u32(len)?)?;
            digests.push(digest);
            self.output.append(&frame)?;
            progress.advance(len);
            Ok(())
        })?;
        Ok(digests)
    }

    /// Writes a skippable frame with compressed content, and lists it.
    fn compressed(&mut self, magic: u32, content: &[u8]) -> Result<Section> {
        if content.len() as u64 > limits::SECTION_LEN {
            return Err(Error::TooMany {
                what: "bytes in the list of files",
                limit: limits::SECTION_LEN,
            });
        }
        let frame = self.options.cache.compress(content, self.options.level, self.hidden)?;
        let section = self.skippable(magic, &frame)?;
        self.table.push(to_u32(frame.len())?.saturating_add(SKIPPABLE_HEADER_LEN), 0)?;
        Ok(section)
    }

    /// Writes a skippable frame; the section is its content.
    fn skippable(&mut self, magic: u32, content: &[u8]) -> Result<Section> {
        self.output.append(&magic.to_le_bytes())?;
        self.output.append(&to_u32(content.len())?.to_le_bytes())?;
        let offset = self.output.len();
        self.output.append(content)?;
        Ok(Section { offset, len: content.len() as u64, digest: Digest::of(content) })
    }
}

/// Makes the index, uncompressed.
fn index(source: &Source<'_>, digests: &[Digest]) -> Result<Vec<u8>> {
    let Source { tree, content, layout, .. } = source;
    let mut index = Index::writer(digests, tree.nodes.len())?;
    for (number, node) in tree.iter() {
        let (references, checks_source) = match source.modes.contains(Mode::Relocate) {
            true => (
                source.content.references(source.tree, number),
                source.content.checks_source(source.tree, number),
            ),
            false => (&[][..], false),
        };
        let node_content = match &node.kind {
            Kind::Directory => NodeContent::Directory,
            Kind::File { executable, .. } => NodeContent::File {
                executable: *executable,
                content: layout.extent(tree, content, number),
                references,
                checks_source,
            },
            Kind::Symlink { target } => NodeContent::Symlink { target, references },
        };
        index.node(node.parent, &node.name, &node_content)?;
    }
    Ok(index.finish())
}

fn to_u32(len: usize) -> Result<u32> {
    u32::try_from(len)
        .map_err(|_| Error::TooMany { what: "bytes in a frame", limit: limits::FRAME_LEN.into() })
}

fn to_len(len: u64) -> Result<usize> {
    usize::try_from(len)
        .map_err(|_| Error::TooMany { what: "bytes in a frame", limit: limits::FRAME_LEN.into() })
}
