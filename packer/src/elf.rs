//! Reads ELF files: the processor type of a program, and the descriptor of a bundle.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use format::{DESCRIPTOR_LEN, NOTE_NAME, NOTE_TYPE};
use object::elf::{
    self, EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, FileHeader32,
    FileHeader64,
};
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, LittleEndian};

/// A processor type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
    Riscv64,
    /// Any other type, by its number in ELF (`e_machine`).
    Other(elf::Machine),
}

impl Machine {
    /// Returns the processor type of a program from its first bytes; `None` if it is not an ELF program.
    pub(crate) fn of_program(head: &[u8]) -> Option<Machine> {
        of_header::<FileHeader64<Endianness>>(head)
            .or_else(|| of_header::<FileHeader32<Endianness>>(head))
    }

    /// Returns the processor type of what Nix calls a system, such as `x86_64-linux`.
    pub(crate) fn of_system(name: &str) -> Option<Machine> {
        Some(match name.strip_suffix("-linux")? {
            "x86_64" => Machine::X86_64,
            "aarch64" => Machine::Aarch64,
            "riscv64" => Machine::Riscv64,
            _ => return None,
        })
    }

    /// What Nix calls it, if packer can have a stub for it.
    pub(crate) fn system(self) -> Option<String> {
        match self {
            Machine::Other(_) => None,
            machine => Some(format!("{machine}-linux")),
        }
    }

    /// The processor type that packer was built for.
    pub(crate) fn own() -> Machine {
        let system = format!("{}-linux", std::env::consts::ARCH);
        Machine::of_system(&system).unwrap_or(Machine::X86_64)
    }

    /// Whether its kernels run the programs of an older processor type too.
    pub(crate) fn runs(self, other: Machine) -> bool {
        self == other
            || matches!(
                (self, other),
                (Machine::X86_64, Machine::Other(EM_386 | EM_X86_64))
                    | (Machine::Aarch64, Machine::Other(EM_ARM))
            )
    }
}

fn of_header<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Machine> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    if !matches!(header.e_type(endian), ET_EXEC | ET_DYN) {
        return None;
    }
    let is_usual = header.is_type_64() && endian == Endianness::Little;
    Some(match header.e_machine(endian) {
        EM_X86_64 if is_usual => Machine::X86_64,
        EM_AARCH64 if is_usual => Machine::Aarch64,
        EM_RISCV if is_usual => Machine::Riscv64,
        other => Machine::Other(other),
    })
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Machine::X86_64 => f.write_str("x86_64"),
            Machine::Aarch64 => f.write_str("aarch64"),
            Machine::Riscv64 => f.write_str("riscv64"),
            Machine::Other(EM_386) => f.write_str("i386"),
            Machine::Other(EM_ARM) => f.write_str("arm"),
            Machine::Other(EM_RISCV) => f.write_str("riscv32"),
            Machine::Other(number) => write!(f, "machine number {}", number.0),
        }
    }
}

/// Reads the processor type of a bundle.
pub(crate) fn machine(bundle: &File) -> Option<Machine> {
    let mut head = [0; size_of::<FileHeader64<LittleEndian>>()];
    bundle.read_exact_at(&mut head, 0).ok()?;
    Machine::of_program(&head)
}

/// Reads the descriptor in a bundle; `None` if the file has none.
pub(crate) fn descriptor(bundle: &File) -> Option<[u8; DESCRIPTOR_LEN]> {
    let cache = ReadCache::new(bundle);
    note(&cache).copied()
}

/// Finds the ELF note with the descriptor. It uses the program headers, since section headers may be stripped.
pub(crate) fn note<'a>(data: impl ReadRef<'a>) -> Option<&'a [u8; DESCRIPTOR_LEN]> {
    let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
    for segment in header.program_headers(LittleEndian, data).ok()? {
        let Ok(Some(mut notes)) = segment.notes(LittleEndian, data) else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == NOTE_NAME.as_bytes() && note.n_type(LittleEndian).0 == NOTE_TYPE {
                return note.desc().try_into().ok();
            }
        }
    }
    None
}

/// Returns the minor version of a glibc 2 from the symbol versions that it defines; `None` for any other file.
pub(crate) fn glibc<'a>(data: impl ReadRef<'a>) -> Option<u16> {
    let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
    let sections = header.sections(LittleEndian, data).ok()?;
    let (mut versions, strings) = sections.gnu_verdef(LittleEndian, data).ok()??;
    let strings = sections.strings(LittleEndian, data, strings).ok()?;
    let mut newest = None;
    while let Ok(Some((_, mut names))) = versions.next() {
        let Ok(Some(name)) = names.next() else { continue };
        let name = name.name(LittleEndian, strings).unwrap_or_default();
        let minor = name.strip_prefix(b"GLIBC_2.").and_then(|name| str::from_utf8(name).ok());
        // "2.2.5" is older than any with one dot that matters.
        newest = newest.max(minor.and_then(|minor| minor.parse().ok()));
    }
    newest
}

/// Whether all that the kernel maps of a program is there.
pub(crate) fn is_whole<'a>(data: impl ReadRef<'a>) -> bool {
    let segments = FileHeader64::<LittleEndian>::parse(data)
        .and_then(|header| header.program_headers(LittleEndian, data));
    segments.is_ok_and(|segments| {
        segments.iter().all(|segment| segment.data(LittleEndian, data).is_ok())
    })
}

/// Returns the alignment of each segment that the kernel maps.
#[cfg(test)]
pub(crate) fn alignments<'a>(data: impl ReadRef<'a>) -> Vec<u64> {
    let header = FileHeader64::<LittleEndian>::parse(data).unwrap();
    let segments = header.program_headers(LittleEndian, data).unwrap().iter();
    let mapped = segments.filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD);
    mapped.map(|segment| segment.p_align(LittleEndian)).collect()
}
