//! What a shared library says of itself, as elf(5) and the Linux Standard Base (symbol versions) describe it.

use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::io::{pread, retry_on_intr};

/// What a shared library says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Library {
    /// The name by which other libraries want it.
    pub(super) soname: Option<Vec<u8>>,
    /// The names of the libraries that it wants.
    pub(super) needed: Vec<Vec<u8>>,
    /// The directories where these are looked for first, separated by colons.
    pub(super) runpath: Vec<u8>,
    /// The minor version of the newest glibc 2 that it needs; 0 if it does not say.
    pub(super) glibc: u16,
}

/// The number of this processor type in ELF (`e_machine`).
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    243
};

/// Tags of the dynamic section.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const SONAME: u64 = 14;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
const VERSIONS_NEEDED: u64 = 0x6fff_fffe;

/// Libraries, and versions of one, at most: a damaged file can have a loop.
const MOST: usize = 4096;

impl Library {
    /// Reads a library; `None` if the file is none for this processor type.
    pub(super) fn read(file: &OwnedFd) -> Option<Library> {
        let mut file = Pages { file, at: 0, bytes: Vec::new() };
        let header: [u8; 64] = file.array(0)?;
        // Class 64, little-endian; a shared object.
        if !header.starts_with(b"\x7fELF\x02\x01") || u16_at(&header, 16) != 3 {
            return None;
        }
        if u16_at(&header, 18) != MACHINE || u16_at(&header, 54) != 56 {
            return None;
        }
        let segments = Segments { at: u64_at(&header, 32), count: u16_at(&header, 56) };
        let (dynamic, len) = segments.find(&mut file, |kind, segment| {
            (kind == 2).then(|| (u64_at(segment, 8), u64_at(segment, 32)))
        })?;
        let mut strings = 0;
        let mut versions = None;
        let mut names = Vec::new();
        for at in (0..len / 16).take(MOST).map(|number| dynamic.saturating_add(number * 16)) {
            let entry: [u8; 16] = file.array(at)?;
            let value = u64_at(&entry, 8);
            match u64_at(&entry, 0) {
                0 => break,
                STRINGS => strings = segments.offset(&mut file, value)?,
                VERSIONS_NEEDED => versions = segments.offset(&mut file, value),
                tag @ (NEEDED | SONAME | RPATH | RUNPATH) => names.push((tag, value)),
                _ => {}
            }
        }
        let mut library = Library::default();
        for (tag, at) in names {
            let name = file.string(strings.saturating_add(at))?;
            match tag {
                NEEDED => library.needed.push(name),
                SONAME => library.soname = Some(name),
                _ => library.runpath = name,
            }
        }
        if let Some(at) = versions {
            library.glibc = newest(&mut file, at, strings).unwrap_or(u16::MAX);
        }
        Some(library)
    }
}

/// Returns the newest glibc that a list of needed versions names; `None` if it is damaged.
fn newest(file: &mut Pages<'_>, mut at: u64, strings: u64) -> Option<u16> {
    let mut newest = 0;
    for _ in 0..MOST {
        let library: [u8; 16] = file.array(at)?;
        let mut version = at.checked_add(u32_at(&library, 8))?;
        for _ in 0..u16_at(&library, 2) {
            let entry: [u8; 16] = file.array(version)?;
            let name = file.string(strings.checked_add(u32_at(&entry, 8))?)?;
            newest = newest.max(minor(&name));
            version = version.checked_add(u32_at(&entry, 12))?;
        }
        match u32_at(&library, 12) {
            0 => return Some(newest),
            next => at = at.checked_add(next)?,
        }
    }
    None
}

/// Returns the minor version of glibc in the name of a symbol version; 0 for another name.
fn minor(name: &[u8]) -> u16 {
    // Relative relocations in this form came with glibc 2.36.
    if name == b"GLIBC_ABI_DT_RELR" {
        return 36;
    }
    let Some(rest) = name.strip_prefix(b"GLIBC_2.") else { return 0 };
    let digits = rest.split(|byte| *byte == b'.').next().unwrap_or_default();
    core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The table of segments.
struct Segments {
    at: u64,
    count: u16,
}

impl Segments {
    /// Returns the first result of `look` for the type and the header of a segment.
    fn find<T>(
        &self,
        file: &mut Pages<'_>,
        mut look: impl FnMut(u32, &[u8; 56]) -> Option<T>,
    ) -> Option<T> {
        (0..u64::from(self.count)).find_map(|number| {
            let segment = file.array(self.at.checked_add(number * 56)?)?;
            look(u32::from_le_bytes(*segment.first_chunk()?), &segment)
        })
    }

    /// Returns the offset in the file of what is mapped at an address.
    fn offset(&self, file: &mut Pages<'_>, address: u64) -> Option<u64> {
        self.find(file, |kind, segment| {
            let (offset, start, len) =
                (u64_at(segment, 8), u64_at(segment, 16), u64_at(segment, 32));
            let below = address.checked_sub(start).filter(|below| *below < len);
            (kind == 1).then_some(offset.checked_add(below?)?)
        })
    }
}

/// A file that is read in pieces of a page.
struct Pages<'a> {
    file: &'a OwnedFd,
    at: u64,
    bytes: Vec<u8>,
}

/// Bytes that are read at once.
const PAGE: usize = 4096;

impl Pages<'_> {
    /// Returns up to a page of what is at an offset: at least `len` bytes.
    fn get(&mut self, at: u64, len: usize) -> Option<&[u8]> {
        let has = |pages: &Self| {
            let from = usize::try_from(at.checked_sub(pages.at)?).ok()?;
            (pages.bytes.len().checked_sub(from)? >= len).then_some(from)
        };
        if has(self).is_none() {
            self.bytes.resize(PAGE, 0);
            let read = retry_on_intr(|| pread(self.file, &mut *self.bytes, at));
            self.bytes.truncate(read.unwrap_or(0));
            self.at = at;
        }
        self.bytes.get(has(self)?..)
    }

    fn array<const LEN: usize>(&mut self, at: u64) -> Option<[u8; LEN]> {
        self.get(at, LEN)?.first_chunk().copied()
    }

    /// Returns the text at an offset, which ends with a NUL.
    fn string(&mut self, at: u64) -> Option<Vec<u8>> {
        let end = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0);
        if self.get(at, 1).is_none_or(|bytes| end(bytes).is_none()) {
            self.bytes.clear();
        }
        let bytes = self.get(at, 1)?;
        end(bytes).map(|len| bytes[..len].into())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    let four = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    four.map_or(0, |four| u32::from_le_bytes(*four).into())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use rustix::fs::{CWD, OFlags};

    use super::*;
    use crate::system::file::{self, Permissions};

    fn read(path: &str) -> Option<Library> {
        let path = CString::new(path).unwrap();
        Library::read(&file::open(CWD, &path, OFlags::RDONLY, Permissions::empty()).unwrap())
    }

    #[test]
    fn libraries_say_what_they_need() {
        // This test's own program is linked by the C compiler of the machine.
        let own = std::env::current_exe().unwrap();
        let own = read(own.to_str().unwrap()).unwrap();
        assert!(own.needed.iter().any(|name| name.starts_with(b"libc.so")), "{own:?}");
        assert!(own.glibc > 2 && own.soname.is_none(), "{own:?}");
        for path in ["/etc/passwd", "/proc/self/status"] {
            assert_eq!(read(path), None);
        }
    }

    #[test]
    fn versions_are_those_of_glibc() {
        for (name, expected) in [
            (&b"GLIBC_2.36"[..], 36),
            (b"GLIBC_2.2.5", 2),
            (b"GLIBC_ABI_DT_RELR", 36),
            (b"GLIBC_PRIVATE", 0),
            (b"GLIBCXX_3.4.30", 0),
        ] {
            assert_eq!(minor(name), expected);
        }
    }
}
