//! A program of the closure that the bundle runs, and the name that chooses it.

use alloc::vec::Vec;

use crate::descriptor::PathKey;
use crate::error::{Error, Part};
use crate::wire::{Reader, Writer};

/// A program of the closure that the bundle runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The store path it is below: a number into the descriptor's [`paths`](crate::Descriptor::paths).
    pub path: u16,
    /// Where it is below the store path, such as `/bin/markov`; empty if the store path is the program.
    pub program: Vec<u8>,
}

impl Entry {
    /// The argv\[0\] that chooses it: the last component of the program's path, or the name of the store
    /// path that is the program itself. `paths` are the descriptor's.
    pub fn name<'a>(&'a self, paths: &'a [PathKey]) -> &'a [u8] {
        match self.program.rsplit(|byte| *byte == b'/').next() {
            None | Some(b"") => {
                paths.get(usize::from(self.path)).map_or(b"", |key| key.path.name().as_bytes())
            }
            Some(name) => name,
        }
    }

    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.u16(self.path);
        writer.short(Part::Descriptor, "bytes in an entry's path", &self.program)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, paths: usize) -> Result<Entry, Error> {
        let path = reader.u16()?;
        if usize::from(path) >= paths {
            return Err(reader.invalid("an entry's store path is not in the table"));
        }
        let program = reader.short()?;
        let mut components = program.split(|byte| *byte == b'/');
        let normal =
            |component: &[u8]| !matches!(component, b"" | b"." | b"..") && !component.contains(&0);
        if components.next() != Some(b"") || !components.all(normal) {
            return Err(reader.invalid("an entry's path leaves its store path"));
        }
        Ok(Entry { path, program: program.into() })
    }
}
