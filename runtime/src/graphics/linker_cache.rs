//! The dynamic linker's list of libraries, `/etc/ld.so.cache`, as ldconfig(8) writes it since glibc 2.2
//! (`struct cache_file_new` in glibc's sysdeps/generic/dl-cache.h).

use alloc::vec::Vec;

use rustix::fs::CWD;

use crate::system::file;

/// Bytes of the file at most.
const CACHE_LEN: usize = 16 << 20;

/// The beginning of the list; an older form of it can come before.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";

/// Bytes of the longest path on Linux.
const PATH_LEN: usize = 4096;

/// Bytes of the header, and of an entry.
const HEADER_LEN: usize = 48;
const ENTRY_LEN: usize = 24;

/// Returns the paths of the libraries whose file names end with `end`.
pub(super) fn find(end: &[u8]) -> Vec<Vec<u8>> {
    file::read(CWD, c"/etc/ld.so.cache", CACHE_LEN)
        .map_or_else(|_| Vec::new(), |bytes| paths(&bytes, end))
}

fn paths(bytes: &[u8], end: &[u8]) -> Vec<Vec<u8>> {
    let start = bytes.windows(MAGIC.len()).position(|window| window == MAGIC);
    let Some(list) = start.and_then(|start| bytes.get(start..)) else { return Vec::new() };
    let number = |at: usize| {
        let bytes = list.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let path = |entry: usize| {
        // Offsets count from the beginning of the list.
        let rest = list.get(number(HEADER_LEN + entry * ENTRY_LEN + 8)?..)?;
        let path = rest[..rest.len().min(PATH_LEN)].split(|byte| *byte == 0).next()?;
        (path.starts_with(b"/") && path.ends_with(end)).then(|| path.to_vec())
    };
    let count = number(MAGIC.len()).unwrap_or(0).min(list.len() / ENTRY_LEN);
    (0..count).filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let strings = b"libx.so.1\0/lib/libx.so.1\0/lib/liby.so.5.1\0";
        let text = HEADER_LEN + 2 * ENTRY_LEN;
        let mut list = [MAGIC, &[2, 0, 0, 0]].concat();
        list.resize(HEADER_LEN, 0);
        for path in [10, 25] {
            let mut entry = [0; ENTRY_LEN];
            entry[8] = u8::try_from(text + path).unwrap();
            list.extend(entry);
        }
        list.extend(strings);
        let old = [b"ld.so-1.7.0\0\0\0\0\0", &list[..]].concat();
        for bytes in [&list, &old] {
            assert_eq!(paths(bytes, b".so.5.1"), [b"/lib/liby.so.5.1"]);
            assert_eq!(paths(bytes, b".so.6").len(), 0);
        }
        for len in 0..list.len() {
            // A list that is cut has nothing, or less.
            assert!(paths(&list[..len], b"").len() <= 2);
        }
    }
}
