//! Encodes an index node by node.

use alloc::vec::Vec;

use super::{
    CHECKED_PYC, DIRECTORY, EXECUTABLE, Extent, FILE, Index, NO_PARENT, Reference, SYMLINK,
};
use crate::digest::Digest;
use crate::error::{Error, Part};
use crate::wire::Writer;

impl Index<'_> {
    /// Starts an index with the digests of the frames and the number of nodes.
    ///
    /// # Errors
    ///
    /// If there are more than a u32 can count.
    pub fn writer(frames: &[Digest], nodes: usize) -> Result<IndexWriter, Error> {
        let mut writer = Writer::default();
        writer.count(Part::Index, "frames", frames.len())?;
        frames.iter().for_each(|digest| writer.bytes(&digest.0));
        writer.count(Part::Index, "files", nodes)?;
        Ok(IndexWriter(writer))
    }
}

/// Encodes an index node by node.
pub struct IndexWriter(Writer);

impl IndexWriter {
    /// Encodes the next node. Nodes come in the order that [`Index`] describes.
    ///
    /// # Errors
    ///
    /// If a name, a target or a list is too long for its length field.
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

/// The kind and content of a node, for [`IndexWriter::node`].
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
        /// Whether it is a compiled Python module that checks a digest of its source; never for an
        /// executable file.
        checked_pyc: bool,
    },
    /// A symbolic link.
    Symlink {
        /// The link's target.
        target: &'a [u8],
        /// The references in the target.
        references: &'a [Reference],
    },
}
