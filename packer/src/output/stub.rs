//! The stub: the static ELF program at the front of a bundle, with room for the descriptor.

use std::fs;
use std::path::Path;

use format::{DESCRIPTOR_LEN, Descriptor, Digest};

use crate::elf::{self, Machine};
use crate::error::{Error, Result};
use crate::show;

/// The stubs inside packer, which build.rs builds.
const EMBEDDED: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/stubs.rs"));

/// A stub with an empty descriptor.
pub(crate) struct Stub {
    bytes: Vec<u8>,
    /// Bytes before the descriptor.
    descriptor: usize,
    machine: Machine,
}

impl Stub {
    /// Reads a stub from a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a stub.
    pub(crate) fn read(path: &Path) -> Result<Stub> {
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(Error::NoStub { stub: show::path(path), reason: "it is not a file" });
        }
        let bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
        Stub::parse(bytes, show::path(path))
    }

    /// Takes the stub for a processor type from inside packer.
    ///
    /// # Errors
    ///
    /// If packer has none.
    pub(crate) fn embedded(machine: Machine) -> Result<Stub> {
        match EMBEDDED.iter().find(|bytes| Machine::of_program(bytes) == Some(machine)) {
            Some(bytes) => Stub::parse(bytes.to_vec(), "the stub inside packer".to_owned()),
            None => Err(Error::NoStubFor { machine }),
        }
    }

    /// The processor types of the stubs inside packer.
    pub(crate) fn machines() -> impl Iterator<Item = Machine> {
        EMBEDDED.iter().filter_map(|bytes| Machine::of_program(bytes))
    }

    fn parse(bytes: Vec<u8>, name: String) -> Result<Stub> {
        let refused = |reason: &'static str| Error::NoStub { stub: name.clone(), reason };
        let machine = match Machine::of_program(&bytes) {
            Some(machine @ (Machine::X86_64 | Machine::Aarch64 | Machine::Riscv64)) => machine,
            Some(Machine::Other(_)) => return Err(refused("it is for another processor type")),
            None => return Err(refused("it is not an ELF program")),
        };
        let note = elf::note(bytes.as_slice()).ok_or_else(|| refused("it has no descriptor"))?;
        let descriptor = note.as_ptr().addr() - bytes.as_ptr().addr();
        if note.iter().any(|byte| *byte != 0) {
            return Err(refused("its descriptor is not empty: it is a bundle already"));
        }
        if !elf::is_whole(bytes.as_slice()) {
            return Err(refused("it is not whole"));
        }
        Ok(Stub { descriptor, machine, bytes })
    }

    /// Bytes of the stub.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The digest of the stub, whose descriptor is empty.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The processor type that it runs on.
    pub(crate) fn machine(&self) -> Machine {
        self.machine
    }

    /// Returns the bytes of the stub with this descriptor in it.
    ///
    /// # Errors
    ///
    /// If the entries and environment rules do not fit into the descriptor.
    pub(crate) fn fill(mut self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = descriptor.encode()?;
        self.bytes[self.descriptor..][..DESCRIPTOR_LEN].copy_from_slice(&bytes);
        Ok(self.bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use format::{NOTE_NAME, NOTE_TYPE};

    use super::*;

    /// A stub for x86_64: a header, a note and a few more bytes.
    pub(crate) fn example() -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        let name = [NOTE_NAME.as_bytes(), b"\0\0"].concat();
        let note_len = 12 + name.len() as u64 + DESCRIPTOR_LEN as u64;
        for half in [2u16, 62] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1u32.to_le_bytes());
        // Entry point, program headers, section headers, flags.
        for word in [0u64, 64, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 1, 64, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        // PT_NOTE, readable.
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(4u32.to_le_bytes());
        for word in [120u64, 120, 120, note_len, note_len, 4] {
            bytes.extend(word.to_le_bytes());
        }
        let descriptor_len = u32::try_from(DESCRIPTOR_LEN).unwrap();
        for word in [u32::try_from(NOTE_NAME.len() + 1).unwrap(), descriptor_len, NOTE_TYPE] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(name);
        bytes.resize(bytes.len() + DESCRIPTOR_LEN, 0);
        bytes.extend(b"code");
        bytes
    }

    #[test]
    fn descriptor_is_found() {
        let stub = Stub::parse(example(), "example".into()).unwrap();
        assert_eq!(stub.machine(), Machine::X86_64);
        assert_eq!(stub.descriptor, 120 + 12 + 8);
    }

    #[test]
    fn embedded_stubs_are_some() {
        let machines: Vec<_> = Stub::machines().collect();
        assert_eq!(machines.len(), EMBEDDED.len());
        assert!(machines.iter().any(|machine| machine.to_string() == std::env::consts::ARCH));
        for machine in machines {
            assert_eq!(Stub::embedded(machine).unwrap().machine(), machine);
        }
    }

    #[test]
    fn segments_are_aligned_for_the_largest_pages() {
        for bytes in EMBEDDED {
            // The sizes that Linux has: 4, 16 and 64 KiB on aarch64.
            let page = match Machine::of_program(bytes) {
                Some(Machine::Aarch64) => 0x1_0000,
                _ => 0x1000,
            };
            let alignments = elf::alignments(*bytes);
            assert!(!alignments.is_empty() && alignments.iter().all(|align| align % page == 0));
        }
    }

    #[test]
    fn other_files_are_refused() {
        let mut used = example();
        used[200] = 1;
        let mut foreign = example();
        foreign[18] = 3;
        let mut bare = example();
        bare[64] = 1;
        for (bytes, expected) in [
            (b"#!/bin/sh".to_vec(), "not an ELF program"),
            (example()[..100].to_vec(), "no descriptor"),
            (used, "bundle already"),
            (foreign, "another processor type"),
            (bare, "no descriptor"),
        ] {
            let error = Stub::parse(bytes, "x".into()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
