//! Writes the payload, which follows the stub: frames, manifest, index, seek table.

use std::num::NonZeroUsize;

use format::{
    Digest, Index, Mode, NodeContent, SKIPPABLE_HEADER_LEN, Section, SectionKind, SectionTable,
    SeekTable, limits,
};

use super::file::OutputFile;
use super::frame::{self, FrameCache};
use super::tar::BundleLayout;
use crate::error::{Error, Result};
use crate::parallel;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::scan::content::Content;
use crate::source::node::Kind;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// The inputs of the payload.
pub(crate) struct Input<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tree: &'a Tree,
    pub(crate) content: &'a Content,
    pub(crate) layout: &'a BundleLayout,
    pub(crate) plan: &'a Plan,
    /// The hashes that the output must not contain as text.
    pub(crate) hidden: &'a Hashes,
}

/// How to compress the payload.
pub(crate) struct Options {
    /// The compression level of zstd.
    pub(crate) level: i32,
    pub(crate) threads: NonZeroUsize,
    pub(crate) cache: FrameCache,
}

/// The positions of the payload and its sections in the file.
pub(crate) struct Written {
    /// Bytes before the payload.
    pub(crate) stub_len: u64,
    pub(crate) file_len: u64,
    pub(crate) sections: SectionTable,
    /// Frames of the tar stream.
    pub(crate) frames: usize,
}

/// Appends the payload to the output.
///
/// # Errors
///
/// If a file cannot be read, the output cannot be written, or a limit of the format is exceeded.
pub(crate) fn write(
    output: &mut OutputFile,
    input: &Input<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Written> {
    let stub_len = output.len();
    let mut writer = Writer { output, hidden: input.hidden, options, table: SeekTable::default() };
    let digests = writer.frames(input, progress)?;
    let sections = SectionTable::try_from_fn(|kind| match kind {
        SectionKind::Manifest => writer.compressed(kind, &input.plan.manifest.encode()?),
        SectionKind::Index => writer.compressed(kind, &index(input, &digests)?),
        SectionKind::SeekTable => {
            let table = writer.table.encode()?;
            writer.skippable(kind, &table)
        }
    })?;
    Ok(Written { stub_len, file_len: output.len(), sections, frames: digests.len() })
}

struct Writer<'a> {
    output: &'a mut OutputFile,
    hidden: &'a Hashes,
    options: &'a Options,
    table: SeekTable,
}

impl Writer<'_> {
    /// Writes the frames of the tar stream; returns their digests.
    fn frames(&mut self, input: &Input<'_>, progress: &Progress) -> Result<Vec<Digest>> {
        let Options { level, threads, ref cache } = *self.options;
        let hidden = self.hidden;
        let spans = input.layout.spans(input.content, frame::max_len(level));
        let mut digests = Vec::with_capacity(spans.len());
        let compress = |number: usize| {
            let span = spans[number];
            let mut piece = vec![0; to_len(span.len)?];
            input.layout.tar().fill(input.store, input.tree, span.start, &mut piece)?;
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

    /// Writes a skippable frame with compressed content, and adds it to the seek table.
    fn compressed(&mut self, kind: SectionKind, content: &[u8]) -> Result<Section> {
        if content.len() as u64 > limits::SECTION_LEN {
            return Err(Error::TooMany {
                what: "bytes in the list of files",
                limit: limits::SECTION_LEN,
            });
        }
        let frame = self.options.cache.compress(content, self.options.level, self.hidden)?;
        let section = self.skippable(kind, &frame)?;
        self.table.push(to_u32(frame.len() + SKIPPABLE_HEADER_LEN)?, 0)?;
        Ok(section)
    }

    /// Writes a skippable frame; returns its content as a section.
    fn skippable(&mut self, kind: SectionKind, content: &[u8]) -> Result<Section> {
        self.output.append(&kind.header(to_u32(content.len())?))?;
        let offset = self.output.len();
        self.output.append(content)?;
        Ok(Section { offset, len: content.len() as u64, digest: Digest::of(content) })
    }
}

/// Makes the index, uncompressed.
fn index(input: &Input<'_>, digests: &[Digest]) -> Result<Vec<u8>> {
    let Input { tree, content, layout, .. } = input;
    let mut index = Index::writer(digests, tree.nodes.len())?;
    for (number, node) in tree.iter() {
        let (references, checked_pyc) = match input.plan.modes.contains(Mode::Relocate) {
            true => (
                input.content.references(input.tree, number),
                input.content.is_checked_pyc(input.tree, number),
            ),
            false => (&[][..], false),
        };
        let node_content = match &node.kind {
            Kind::Directory => NodeContent::Directory,
            Kind::File { executable, .. } => NodeContent::File {
                executable: *executable,
                content: layout.extent(tree, content, number),
                references,
                checked_pyc,
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
