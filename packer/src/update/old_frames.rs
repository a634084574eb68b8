//! The frames that an old bundle has, by digest.

use std::collections::HashMap;

use format::{Digest, Error as FormatError, Part};

use super::stored;
use crate::error::{Error, Result};
use crate::source::bundle::Bundle;

/// Where a compressed frame is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number in the bundle.
    pub(crate) number: u32,
    /// Bytes from the start of the file.
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// The compressed frames of an open bundle.
pub(crate) struct OldFrames<'a> {
    bundle: &'a Bundle,
    places: HashMap<Digest, Place>,
}

impl OldFrames<'_> {
    /// Lists the frames of a bundle.
    ///
    /// # Errors
    ///
    /// If the bundle is damaged.
    pub(crate) fn new(bundle: &Bundle) -> Result<OldFrames<'_>> {
        let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
        let frames = (0..).zip(bundle.sections.seek_table.data_frames()).zip(index.frames);
        let place = |((number, frame), digest): ((u32, &format::Frame), Digest)| {
            let offset = bundle.header.descriptor.stub_len.saturating_add(frame.offset);
            (digest, Place { number, offset, len: frame.compressed_len })
        };
        Ok(OldFrames { bundle, places: frames.map(place).collect() })
    }

    /// The bundle.
    pub(super) fn bundle(&self) -> &Bundle {
        self.bundle
    }

    /// Returns where the frame with this digest is; `None` if the bundle does not have it.
    pub(crate) fn place(&self, digest: &Digest) -> Option<Place> {
        self.places.get(digest).copied()
    }

    /// Reads the frame with this digest, and checks it; `None` if the bundle does not have it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is damaged.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let Some(Place { number, offset, len }) = self.place(digest) else { return Ok(None) };
        let bytes = stored::bytes(self.bundle, offset, len.into())?;
        if Digest::of(&bytes) != *digest {
            let (path, part) = (self.bundle.path.clone(), Part::Frame(number));
            return Err(Error::Damaged { path, source: FormatError::Digest(part) });
        }
        Ok(Some(bytes))
    }
}
