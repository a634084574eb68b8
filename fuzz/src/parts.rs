//! The input of the bundle targets: the parts of a bundle.

use format::{Digest, Index, Kind, Manifest, NodeContent, Reference};

/// The parts of a bundle, uncompressed, as one input for a fuzzer.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Chooses the number of bytes in a frame: 256, times a power of two.
    pub frame_len: u8,
    /// The manifest.
    pub manifest: &'a [u8],
    /// The index.
    pub index: &'a [u8],
    /// The tar stream.
    pub tar: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Joins the parts to one input.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = |part: &[u8]| u32::try_from(part.len()).expect("seeds are small").to_le_bytes();
        let lens = [len(self.manifest), len(self.index)].concat();
        [&[self.frame_len], lens.as_slice(), self.manifest, self.index, self.tar].concat()
    }

    /// Splits an input into the parts.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Parts<'a>> {
        let (&[frame_len], rest) = bytes.split_first_chunk()?;
        let (manifest, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let len = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
        let (manifest, rest) = rest.split_at_checked(len(manifest)?)?;
        let (index, tar) = rest.split_at_checked(len(index)?)?;
        Some(Parts { frame_len, manifest, index, tar })
    }

    /// Decodes the manifest and the index.
    pub(crate) fn decode(&self) -> Option<(Manifest, Index<'a>)> {
        let manifest = Manifest::decode(self.manifest, format::BUNDLE_VERSION).ok()?;
        let tar_len = u64::try_from(self.tar.len()).ok()?;
        let index = Index::decode(self.index, manifest.paths.len(), tar_len).ok()?;
        Some((manifest, index))
    }
}

/// Encodes an index again, with other digests.
pub(crate) fn encode_index(index: &Index<'_>, frames: &[Digest]) -> Vec<u8> {
    let mut writer = Index::writer(frames, index.nodes.len()).expect("it was decoded");
    for node in &index.nodes {
        let references: Vec<Reference> = match node.kind {
            Kind::Directory => Vec::new(),
            Kind::File { references, .. } => references.iter().collect(),
            Kind::Symlink(link) => link.references.iter().collect(),
        };
        let references = references.as_slice();
        let content = match node.kind {
            Kind::Directory => NodeContent::Directory,
            Kind::File { executable, content, checked_pyc, .. } => {
                NodeContent::File { executable, content, references, checked_pyc }
            }
            Kind::Symlink(link) => NodeContent::Symlink { target: link.target, references },
        };
        writer.node(node.parent, node.name, &content).expect("it was decoded");
    }
    writer.finish()
}
