//! An open delta: its head, and its parts, each checked when it is read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use format::{DELTA_START_LEN, Delta, DeltaPart, DeltaStart, Digest, Error as FormatError, Part};

use crate::error::{Error, Result};
use crate::show;

/// An open delta.
pub(super) struct DeltaFile {
    /// The path, for messages.
    pub(super) path: String,
    pub(super) delta: Delta,
    file: File,
    /// Where the part of each recipe begins, in the order of [`Delta::recipes`].
    offsets: Vec<u64>,
}

impl DeltaFile {
    /// Opens a delta and checks its head and its length.
    ///
    /// # Errors
    ///
    /// If it is no delta of this version, or is damaged.
    pub(super) fn open(path: &Path) -> Result<DeltaFile> {
        let name = show::path(path);
        let failed = |error| Error::io("open", path, error);
        // Opening a pipe would block until a process writes to it.
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() || metadata.len() < DELTA_START_LEN as u64 {
            return Err(Error::NoDelta { path: name });
        }
        let file = File::open(path).map_err(failed)?;
        let damaged = |source| Error::Damaged { path: name.clone(), source };
        let mut start = [0; DELTA_START_LEN];
        file.read_exact_at(&mut start, 0).map_err(|error| Error::io("read", path, error))?;
        let start = DeltaStart::decode(&start).map_err(|error| match error {
            FormatError::Value { .. } => Error::NoDelta { path: name.clone() },
            error => damaged(error),
        })?;
        let parts = DELTA_START_LEN as u64 + u64::from(start.head_len);
        if metadata.len() < parts {
            return Err(damaged(FormatError::Length(Part::Delta)));
        }
        let mut head = vec![0; start.head_len as usize];
        let read = file.read_exact_at(&mut head, DELTA_START_LEN as u64);
        read.map_err(|error| Error::io("read", path, error))?;
        let delta = Delta::decode(&start, &head).map_err(damaged)?;
        let expected = parts.saturating_add(delta.parts_len());
        if metadata.len() != expected {
            return Err(Error::DeltaLength { path: name, found: metadata.len(), expected });
        }
        let mut offset = parts;
        let offsets = delta.recipes().map(|recipe| {
            let begin = offset;
            offset += recipe.part().map_or(0, |part| u64::from(part.len));
            begin
        });
        let offsets = offsets.collect();
        Ok(DeltaFile { path: name, delta, file, offsets })
    }

    /// Reads a part, and checks it. `number` is that of its recipe.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is damaged.
    pub(super) fn read(&self, number: usize, part: &DeltaPart) -> Result<Vec<u8>> {
        let mut bytes = vec![0; part.len as usize];
        let offset = self.offsets.get(number).copied().unwrap_or_default();
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| Error::io("read", Path::new(&self.path), error))?;
        match Digest::of(&bytes) == part.digest {
            true => Ok(bytes),
            false => Err(self.damaged_part(number)),
        }
    }

    /// The error of a part that does not give what it should.
    pub(super) fn damaged_part(&self, number: usize) -> Error {
        let part = Part::DeltaPart(u32::try_from(number).unwrap_or(u32::MAX));
        self.damaged(FormatError::Digest(part))
    }

    /// The error of a delta that breaks a rule.
    pub(super) fn damaged(&self, source: FormatError) -> Error {
        Error::Damaged { path: self.path.clone(), source }
    }
}
