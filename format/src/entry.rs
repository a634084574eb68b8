//! Entries: the programs that a bundle runs, and the names that select them.

use alloc::vec::Vec;

use crate::descriptor::PathKey;
use crate::error::{Error, Part};
use crate::store_path::StorePath;
use crate::wire::{Reader, Writer};

/// A program of the closure that the bundle can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The store path of the program: an index into the descriptor's
    /// [`paths`](crate::Descriptor::paths).
    pub path: u16,
    /// The program's path below the store path, such as `/bin/markov`. It is empty if the store
    /// path itself is the program.
    pub program: Vec<u8>,
    /// The store paths that it needs, by number in the manifest's [`subsets`](crate::Manifest::subsets); all of them
    /// if there is none. Versions 1 to 4 do not have it.
    pub subset: Option<u16>,
}

/// Returns the name of the program at `program` below a store path.
///
/// This is the path's last component, or the store path's name if the store path itself is the
/// program.
pub fn entry_name<'a>(path: &'a StorePath, program: &'a [u8]) -> &'a [u8] {
    match program.rsplit(|byte| *byte == b'/').next() {
        None | Some(b"") => path.name().as_bytes(),
        Some(name) => name,
    }
}

impl Entry {
    /// Returns the argv\[0\] that selects this entry; see [`entry_name`]. `paths` are the
    /// descriptor's.
    pub fn name<'a>(&'a self, paths: &'a [PathKey]) -> &'a [u8] {
        paths.get(usize::from(self.path)).map_or(b"", |key| entry_name(&key.path, &self.program))
    }

    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.u16(self.path);
        writer.short(Part::Descriptor, "bytes in an entry's path", &self.program)?;
        writer.u16(self.subset.map_or(0, |subset| subset.saturating_add(1)));
        Ok(())
    }

    /// Decodes it in a descriptor of `version` with this many store paths.
    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        version: u32,
        paths: usize,
    ) -> Result<Entry, Error> {
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
        let subset = match version {
            1..=4 => None,
            _ => reader.u16()?.checked_sub(1),
        };
        Ok(Entry { path, program: program.into(), subset })
    }
}
