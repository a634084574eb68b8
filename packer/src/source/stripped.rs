//! Files whose content is not the store's: they were stripped. They are kept in one temporary file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use format::Extent;

use crate::error::{Error, Result};
use crate::show;

/// The contents of stripped files, by their paths below the store.
#[derive(Debug, Default)]
pub(crate) struct StrippedFiles {
    /// `None` if no file was stripped.
    contents: Option<File>,
    /// Bytes in it.
    len: u64,
    places: HashMap<Vec<u8>, Extent>,
}

impl StrippedFiles {
    /// The content of the file at `path` below the store, if it was stripped.
    pub(crate) fn get(&self, path: &[u8]) -> Option<StrippedFile<'_>> {
        Some(StrippedFile { contents: self.contents.as_ref()?, place: *self.places.get(path)? })
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(crate) fn add(&mut self, path: Vec<u8>, content: &[u8]) -> Result<()> {
        let failed = |source| {
            let directory = show::path(&std::env::temp_dir());
            Error::Temporary { directory, source }
        };
        let mut contents = match self.contents.take() {
            Some(contents) => contents,
            None => tempfile::tempfile().map_err(failed)?,
        };
        contents.write_all(content).map_err(failed)?;
        self.contents = Some(contents);
        let place = Extent { start: self.len, len: content.len() as u64 };
        self.len = place.end();
        self.places.insert(path, place);
        Ok(())
    }
}

/// The content of a stripped file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StrippedFile<'a> {
    contents: &'a File,
    place: Extent,
}

impl StrippedFile<'_> {
    /// Bytes of the content.
    pub(crate) fn len(&self) -> u64 {
        self.place.len
    }

    /// Reads some bytes from an offset on; none at the end.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.place.len.saturating_sub(offset);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        self.contents.read_at(&mut buffer[..len], self.place.start + offset)
    }
}
