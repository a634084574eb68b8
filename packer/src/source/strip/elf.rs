//! `--strip`: takes debug information out of ELF files.
//!
//! All bytes up to the end of the last segment stay where they are, but for the three fields of the header that say
//! where the section table is. Behind them, sections with debug information go. object's own writer
//! (`object::build::elf`) makes the loaded sections anew and knows no bytes between them, as patchelf leaves them.
//!
//! The symbol table stays: programs read their own for backtraces, valgrind needs the dynamic linker's, and what a
//! profiler shows is in it.

use object::elf::{
    self, FileHeader64, ProgramHeader64, SHF_ALLOC, SHF_EXECINSTR, SHF_INFO_LINK, SHT_GROUP,
    SHT_NOBITS, SHT_REL, SHT_RELA, SHT_SYMTAB, SHT_SYMTAB_SHNDX, STT_SECTION, SectionHeader64,
    Sym64,
};
use object::pod::{bytes_of, from_bytes, slice_from_all_bytes};
use object::read::ReadRef;
use object::read::elf::FileHeader as _;
use object::{LittleEndian as LE, U16, U32, U64};

/// Bytes of the file header of 64 bits.
const HEADER_LEN: u64 = 64;

/// The largest gap between two parts of a file: the alignment of the largest page.
const GAP: usize = 65536;

/// Whether a program or library has debug information. Reads no more than the headers.
pub(crate) fn has_debug<'data>(data: impl ReadRef<'data>) -> bool {
    let Ok(header) = FileHeader64::<LE>::parse(data) else { return false };
    let is_loaded = matches!(header.e_type.get(LE), elf::ET_EXEC | elf::ET_DYN);
    let Ok(sections) = header.sections(LE, data) else { return false };
    is_loaded
        && header.endian().is_ok()
        && sections.iter().any(|section| {
            sections.section_name(LE, section).is_ok_and(is_debug) && !is_alloc(section)
        })
}

fn is_debug(name: &[u8]) -> bool {
    [&b".debug_"[..], b".zdebug_"].iter().any(|start| name.starts_with(start))
        || matches!(name, b".gdb_index" | b".gnu_debugdata" | b".stab" | b".stabstr")
}

fn is_alloc(section: &SectionHeader64<LE>) -> bool {
    section.sh_flags.get(LE).contains(SHF_ALLOC)
}

/// Returns an ELF file without its debug information; `None` if it has none, or has a form in which it cannot be taken
/// out with certainty: the file then stays as it is.
pub(crate) fn strip(file: &[u8]) -> Option<Vec<u8>> {
    let stripped = Stripped::new(file)?.write()?;
    (stripped.len() < file.len() && is_same_program(file, &stripped)).then_some(stripped)
}

/// A section that stays.
struct Section<'a> {
    header: SectionHeader64<LE>,
    /// What is written behind the segments; `None` if it is in them, or has no bytes.
    content: Option<std::borrow::Cow<'a, [u8]>>,
}

/// The parts of a file that stay.
struct Stripped<'a> {
    /// The bytes up to the end of the last segment.
    loaded: &'a [u8],
    sections: Vec<Section<'a>>,
    /// The new number of the section with the names.
    names: u16,
}

impl<'a> Stripped<'a> {
    fn new(file: &'a [u8]) -> Option<Stripped<'a>> {
        let header = FileHeader64::<LE>::parse(file).ok()?;
        header.endian().ok()?;
        if !matches!(header.e_type.get(LE), elf::ET_EXEC | elf::ET_DYN) {
            return None;
        }
        let segments = header.program_headers(LE, file).ok()?;
        let table = header.sections(LE, file).ok()?;
        let all: Vec<&SectionHeader64<LE>> = table.iter().collect();
        let end = loaded_len(header, segments)?;
        is_covered(file, header, &all, end).then_some(())?;
        // A file for a debugger alone (`objcopy --only-keep-debug`) has no code.
        let has_no_code = |section: &&SectionHeader64<LE>| {
            section.sh_flags.get(LE).contains(SHF_EXECINSTR)
                && section.sh_type.get(LE) == SHT_NOBITS
        };
        if all.iter().any(has_no_code) {
            return None;
        }

        let range = |section: &SectionHeader64<LE>| {
            (
                section.sh_offset.get(LE),
                section.sh_offset.get(LE).checked_add(section.sh_size.get(LE)),
            )
        };
        let is_behind = |section: &SectionHeader64<LE>| {
            section.sh_type.get(LE) != SHT_NOBITS && range(section).0 >= end
        };
        let mut dropped: Vec<bool> = all
            .iter()
            .map(|section| {
                let is_named = table.section_name(LE, section).is_ok_and(is_debug);
                is_named && !is_alloc(section) && is_behind(section)
            })
            .collect();
        // Relocations of what goes: those that a linker was asked to keep.
        for (number, section) in all.iter().enumerate() {
            let of = usize::try_from(section.sh_info.get(LE)).ok()?;
            let is_relocation = matches!(section.sh_type.get(LE), SHT_REL | SHT_RELA);
            if is_relocation
                && !is_alloc(section)
                && is_behind(section)
                && dropped.get(of) == Some(&true)
            {
                dropped[number] = true;
            }
        }
        let first = dropped.iter().position(|dropped| *dropped)?;
        // The loaded table of symbols has numbers of sections in it, which cannot change.
        if all[first..].iter().any(|section| is_alloc(section)) {
            return None;
        }
        let mut next = 0;
        let numbers: Vec<Option<u16>> = dropped
            .iter()
            .map(|dropped| {
                let number = next;
                next += u16::from(!dropped);
                (!dropped).then_some(number)
            })
            .collect();
        let new = |number: u32| numbers.get(usize::try_from(number).ok()?).copied().flatten();

        let mut sections = Vec::new();
        let mut are_symbols_moved = false;
        for section in all.iter().zip(&dropped).filter(|(_, dropped)| !**dropped).map(|(s, _)| *s) {
            let mut header = *section;
            let kind = section.sh_type.get(LE);
            header.sh_link = U32::new(LE, new(section.sh_link.get(LE))?.into());
            if matches!(kind, SHT_REL | SHT_RELA)
                || section.sh_flags.get(LE).contains(SHF_INFO_LINK)
            {
                header.sh_info = U32::new(LE, new(section.sh_info.get(LE))?.into());
            }
            let mut content = None;
            if is_behind(section) {
                let (start, end) = range(section);
                let bytes = file.get(usize::try_from(start).ok()?..usize::try_from(end?).ok()?)?;
                content = Some(bytes.into());
                if kind == SHT_SYMTAB {
                    let Symbols { bytes, locals } =
                        symbols(bytes, section.sh_info.get(LE), &numbers)?;
                    are_symbols_moved |= bytes.len() as u64 != section.sh_size.get(LE);
                    header.sh_info = U32::new(LE, locals);
                    header.sh_size = U64::new(LE, bytes.len() as u64);
                    content = Some(bytes.into());
                }
            } else if kind == SHT_SYMTAB {
                return None;
            }
            sections.push(Section { header, content });
        }
        // These have numbers of symbols in them.
        let has_numbers = |kind| matches!(kind, SHT_GROUP | SHT_SYMTAB_SHNDX | SHT_REL | SHT_RELA);
        let is_moved = |section: &Section<'_>| {
            !is_alloc(&section.header) && has_numbers(section.header.sh_type.get(LE))
        };
        if are_symbols_moved && sections.iter().any(is_moved) {
            return None;
        }
        let names = new(header.shstrndx(LE, file).ok()?)?;
        Some(Stripped { loaded: file.get(..usize::try_from(end).ok()?)?, sections, names })
    }

    fn write(mut self) -> Option<Vec<u8>> {
        let mut file = self.loaded.to_vec();
        // In the order of the file.
        let mut order: Vec<usize> = (0..self.sections.len()).collect();
        order.sort_by_key(|number| self.sections[*number].header.sh_offset.get(LE));
        for number in order {
            let Section { header, content } = &mut self.sections[number];
            let Some(content) = content else { continue };
            let align = usize::try_from(header.sh_addralign.get(LE)).ok()?.max(1);
            if align > GAP {
                return None;
            }
            file.resize(file.len().checked_next_multiple_of(align)?, 0);
            header.sh_offset = U64::new(LE, file.len() as u64);
            file.extend_from_slice(content);
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let (start, count) = (file.len() as u64, u16::try_from(self.sections.len()).ok()?);
        for section in &self.sections {
            file.extend_from_slice(bytes_of(&section.header));
        }
        let (header, _) = object::pod::from_bytes_mut::<FileHeader64<LE>>(&mut file).ok()?;
        header.e_shoff = U64::new(LE, start);
        header.e_shnum = U16::new(LE, count);
        header.e_shstrndx = U16::new(LE, elf::SymbolSection(self.names));
        Some(file)
    }
}

/// Bytes up to the end of the last segment, with the headers.
fn loaded_len(header: &FileHeader64<LE>, segments: &[ProgramHeader64<LE>]) -> Option<u64> {
    let table = header.e_phoff.get(LE).checked_add(size_of_val(segments) as u64)?;
    segments.iter().try_fold(table.max(HEADER_LEN), |end, segment| {
        Some(end.max(segment.p_offset.get(LE).checked_add(segment.p_filesz.get(LE))?))
    })
}

/// Whether everything behind the segments is in a section or in their table: a program could find more there, as a
/// self-extracting archive does.
fn is_covered(
    file: &[u8],
    header: &FileHeader64<LE>,
    sections: &[&SectionHeader64<LE>],
    end: u64,
) -> bool {
    let table =
        (header.e_shoff.get(LE), size_of::<SectionHeader64<LE>>() as u64 * sections.len() as u64);
    let content = sections.iter().filter(|section| section.sh_type.get(LE) != SHT_NOBITS);
    let content = content.map(|section| (section.sh_offset.get(LE), section.sh_size.get(LE)));
    let mut parts: Vec<(u64, u64)> = content.chain([table]).collect();
    parts.sort_unstable();
    // What is in no part is padding: zeros.
    let is_padding = |from: u64, to: u64| {
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let gap = range.and_then(|(from, to)| file.get(from..to));
        gap.is_some_and(|gap| gap.len() < GAP && gap.iter().all(|byte| *byte == 0))
    };
    let mut at = end;
    for (start, len) in parts {
        let Some(part_end) = start.checked_add(len) else { return false };
        if start > at && !is_padding(at, start) {
            return false;
        }
        at = at.max(part_end);
    }
    header.e_shoff.get(LE) >= end && at == file.len() as u64
}

/// A table of symbols.
struct Symbols {
    bytes: Vec<u8>,
    /// The number of local ones, which come first.
    locals: u32,
}

/// Gives the symbols the new numbers of their sections; leaves out those that stand for a section that goes.
fn symbols(bytes: &[u8], locals: u32, numbers: &[Option<u16>]) -> Option<Symbols> {
    let all = slice_from_all_bytes::<Sym64<LE>>(bytes).ok()?;
    let mut kept = Symbols { bytes: Vec::with_capacity(bytes.len()), locals };
    for (number, symbol) in (0u32..).zip(all) {
        let mut symbol = *symbol;
        let section = symbol.st_shndx.get(LE).0;
        // From here on, numbers have meanings of their own. elf(5)
        if section != 0 && section < elf::SHN_LORESERVE {
            match numbers.get(usize::from(section))? {
                Some(new) => symbol.st_shndx = U16::new(LE, elf::SymbolSection(*new)),
                None if symbol.st_type() == STT_SECTION && number < locals => {
                    kept.locals -= 1;
                    continue;
                }
                None => return None,
            }
        }
        kept.bytes.extend_from_slice(bytes_of(&symbol));
    }
    Some(kept)
}

/// Whether two files have the same program headers, and the same bytes in all segments, but for where the file header
/// says that the sections are.
fn is_same_program(file: &[u8], other: &[u8]) -> bool {
    let segments = |file| {
        let header = FileHeader64::<LE>::parse(file).ok()?;
        header.program_headers(LE, file).ok()
    };
    let head = |file: &[u8]| {
        let (header, _) = from_bytes::<FileHeader64<LE>>(file).ok()?;
        let mut header = *header;
        header.e_shoff = U64::new(LE, 0);
        header.e_shnum = U16::new(LE, 0);
        header.e_shstrndx = U16::new(LE, elf::SymbolSection(0));
        Some(bytes_of(&header).to_vec())
    };
    let (Some(ours), Some(theirs)) = (segments(file), segments(other)) else { return false };
    let content = |file: &[u8], segment: &ProgramHeader64<LE>| {
        let start = usize::try_from(segment.p_offset.get(LE)).ok()?;
        let end = start.checked_add(usize::try_from(segment.p_filesz.get(LE)).ok()?)?;
        let start = start.max(size_of::<FileHeader64<LE>>()).min(end);
        file.get(start..end).map(<[u8]>::to_vec)
    };
    head(file).is_some()
        && head(file) == head(other)
        && object::pod::bytes_of_slice(ours) == object::pod::bytes_of_slice(theirs)
        && ours.iter().all(|segment| {
            let content = |file| content(file, segment);
            content(file).is_some() && content(file) == content(other)
        })
}

#[cfg(test)]
mod tests;
