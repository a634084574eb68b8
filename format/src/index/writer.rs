//! Writes an index, node by node.

use alloc::vec::Vec;

use super::{
    CHECKED_PYC, DIRECTORY, EXECUTABLE, Extent, FILE, Index, NO_PARENT, Reference, SYMLINK,
};
use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::wire::Writer;

impl Index<'_> {
    /// Starts to write an index, with the digests of the frames.
    ///
    /// # Errors
    ///
    /// If there are too many.
    pub fn writer(frames: &[Digest], nodes: usize) -> Result<IndexWriter, Error> {
        let mut writer = Writer::default();
        writer.count(Part::Index, "frames", frames.len())?;
        frames.iter().for_each(|digest| writer.bytes(&digest.0));
        writer.count(Part::Index, "files", nodes)?;
        Ok(IndexWriter(writer))
    }
}

/// Writes an index, node by node.
pub struct IndexWriter(Writer);

impl IndexWriter {
    /// Writes the next node, which must come in the index's order.
    ///
    /// # Errors
    ///
    /// If a bound of the format is broken.
    pub fn node(
        &mut self,
        parent: Option<u32>,
        name: &[u8],
        content: &NodeContent<'_>,
    ) -> Result<(), Error> {
        let part = Part::Index;
        let writer = &mut self.0;
        writer.u32(parent.unwrap_or(NO_PARENT));
        writer.u8(match content {
            NodeContent::Directory => DIRECTORY,
            NodeContent::File { executable: true, .. } => EXECUTABLE,
            NodeContent::File { checked_pyc: true, .. } => CHECKED_PYC,
            NodeContent::File { .. } => FILE,
            NodeContent::Symlink { .. } => SYMLINK,
        });
        writer.short(part, "bytes in a file name", name)?;
        let references = match content {
            NodeContent::Directory => return Ok(()),
            NodeContent::File { content, references, .. } => {
                writer.u64(content.start);
                writer.u64(content.len);
                references
            }
            NodeContent::Symlink { target, references } => {
                writer.short(part, "bytes in a link's target", target)?;
                references
            }
        };
        writer.count(part, "references", references.len())?;
        for Reference { offset, path } in *references {
            writer.u64(*offset);
            writer.u32(*path);
        }
        Ok(())
    }

    /// Returns the uncompressed index.
    pub fn finish(self) -> Vec<u8> {
        self.0.bytes
    }
}

/// What [`IndexWriter::node`] writes for a node.
#[derive(Clone, Copy, Debug)]
pub enum NodeContent<'a> {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Whether it is executable.
        executable: bool,
        /// Its content.
        content: Extent,
        /// The references in its content.
        references: &'a [Reference],
        /// Whether it is a compiled Python module that is valid only with its source as it was; never for
        /// one that is executable.
        checked_pyc: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: &'a [u8],
        /// The references in it.
        references: &'a [Reference],
    },
}
