//! Kinds of files, and whether references in them can be rewritten.
//!
//! Only a file that holds a reference is asked. A kind is known to bear it if nothing in such a file depends on the bytes
//! of the reference: no checksum over them, no order or key made of them.

use super::catalogue;

/// What rewriting a reference does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearing {
    /// The file is right afterwards.
    Known,
    /// Nobody knows, for this reason.
    Doubtful(&'static str),
    /// The file is wrong afterwards, for this reason.
    Broken(&'static str),
}
use Bearing::{Broken, Doubtful, Known};

/// Bytes at the start of a file that tell its kind: the last are those of btrfs.
pub(crate) const HEAD_LEN: usize = 0x1_0048;

/// A kind that is known by its first bytes.
struct Kind {
    /// Where the magic number is.
    offset: usize,
    magic: &'static [u8],
    bearing: Bearing,
}

const fn kind(offset: usize, magic: &'static [u8], bearing: Bearing) -> Kind {
    Kind { offset, magic, bearing }
}

const CHUNKS: Bearing = Broken("each part of the file has a checksum");
const IMAGE: Bearing = Broken("it is a disk image, which has checksums");
const KEYED: Bearing = Doubtful("it is a database, which may look the reference up");

/// The kinds, and why each bears what it bears.
const KINDS: [Kind; 61] = [
    // ELF: sections are found by offsets and strings end at a NUL; hash tables are over symbols' names.
    kind(0, b"\x7fELF", Known),
    // Static libraries: members are found by offsets, the index is over symbols' names. What is compressed in one is
    // looked into elsewhere.
    kind(0, b"!<arch>\n", Known),
    // Message catalogues: a message is found by its original, of which the proof makes sure that it holds no reference.
    kind(0, catalogue::LITTLE, Known),
    kind(0, catalogue::BIG, Known),
    // Emacs Lisp, compiled: read as Lisp, in which strings have no length.
    kind(0, b";ELC", Known),
    // Compiled GSettings schemas: found by the schemas' names.
    kind(0, b"GVariant", Known),
    // GObject typelibs: strings are found by offsets.
    kind(0, b"GOBJ\nMETADATA\r\n\x1a", Known),
    // The linker's cache: sorted by libraries' names.
    kind(0, b"glibc-ld.so.cache", Known),
    kind(0, b"ld.so-1.7.0\0", Known),
    // Lua, compiled: a string has its length before it.
    kind(0, b"\x1bLua", Known),
    kind(0, b"\x1bLJ", Known),
    // Pictures and sounds: parts have their lengths before them, and no checksums.
    kind(0, b"GIF8", Known),
    kind(0, b"\xff\xd8\xff", Known),
    kind(0, b"RIFF", Known),
    kind(0, b"II*\0", Known),
    kind(0, b"MM\0*", Known),
    kind(0, b"fLaC", Known),
    // glibc's list of converters between character sets: a hash table over their names.
    kind(0, b"\x24\x03\x01\x20", Known),
    // Compiled magic numbers of file(1): in the order of their strength, which comes from lengths.
    kind(0, b"\x1c\x04\x1e\xf1", Known),
    // Gauche, Chez and others write their own; they are not known.
    kind(0, b"\x89PNG\r\n\x1a\n", CHUNKS),
    kind(0, b"\x8aMNG\r\n\x1a\n", CHUNKS),
    kind(0, b"\x8bJNG\r\n\x1a\n", CHUNKS),
    kind(0, b"OggS", CHUNKS),
    // With the checksum of each member; the format without (070701) is not known.
    kind(0, b"070702", CHUNKS),
    kind(0, b"PACK\0\0\0", CHUNKS),
    kind(0, b"DIRC\0\0\0", CHUNKS),
    kind(0, b"\xfftOc", CHUNKS),
    kind(0, b"\xed\xab\xee\xdb", CHUNKS),
    kind(0, b"\x89HDF\r\n\x1a\n", CHUNKS),
    kind(0, b"7z\xbc\xaf\x27\x1c", CHUNKS),
    kind(0, b"Rar!\x1a\x07", CHUNKS),
    kind(0, b"MSCF\0\0\0\0", CHUNKS),
    kind(0, b"xar!", CHUNKS),
    // Java's class data archives: a checksum of each region.
    kind(0, b"\xa2\xab\x0b\xf0", CHUNKS),
    kind(0, b"\xa8\xab\x0b\xf0", CHUNKS),
    // OCaml's compiled interfaces: other modules have their digests.
    kind(0, b"hsqs", IMAGE),
    kind(0, b"XFSB", IMAGE),
    kind(0, b"QFI\xfb", IMAGE),
    kind(0, b"KDMV", IMAGE),
    kind(0, b"conectix", IMAGE),
    kind(0, b"vhdxfile", IMAGE),
    kind(0x40, b"\x7f\x10\xda\xbe", IMAGE),
    kind(0x400, b"\xe2\xe1\xf5\xe0", IMAGE),
    kind(0x438, b"\x53\xef", IMAGE),
    kind(0x8001, b"CD001", IMAGE),
    kind(0x1_0040, b"_BHRfS_M", IMAGE),
    // A cache's name is the MD5 of the directory's path, so it would never be found, and fontconfig would write
    // another one beside it.
    kind(0, b"\x04\xfc\x02\xfc", Broken("fontconfig finds it by the MD5 of a path")),
    kind(0, b"\xfc\x02\xfc\x04", Broken("fontconfig finds it by the MD5 of a path")),
    kind(0, b"SQLite format 3\0", KEYED),
    kind(0, b"\xce\x9a\x57\x13", KEYED),
    kind(0, b"\xcd\x9a\x57\x13", KEYED),
    kind(0, b"\xcf\x9a\x57\x13", KEYED),
    kind(0, b"TDB file\n", KEYED),
    kind(0, b"KC\n\0", KEYED),
    kind(12, b"\x62\x31\x05\0", KEYED),
    kind(12, b"\x61\x15\x06\0", KEYED),
    kind(12, b"\x53\x22\x04\0", KEYED),
    kind(12, b"\x88\x09\x04\0", KEYED),
    kind(16, b"\xde\xc0\xef\xbe", KEYED),
    // The write-ahead log of SQLite: a checksum of each page.
    kind(0, b"\x37\x7f\x06\x82", CHUNKS),
    kind(0, b"\x37\x7f\x06\x83", CHUNKS),
];

/// Kinds that are known by the ends of their names and their first bytes, since these alone say too little.
const NAMED: [(&[u8], Kind); 3] = [
    // Strings have their lengths before them.
    (b".pyc", kind(2, b"\r\n", Known)),
    (b".class", kind(0, b"\xca\xfe\xba\xbe", Known)),
    // OCaml's other files with this number have no digest that is checked.
    (b".cmi", kind(0, b"Caml1999I", Broken("other compiled modules have its digest"))),
];

/// What rewriting does to a file with this name and these first bytes; `is_text` says that no byte of it is zero.
pub(crate) fn bearing(name: &[u8], head: &[u8], is_text: bool) -> Bearing {
    let has = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|bytes| bytes.starts_with(magic))
    };
    if let Some(kind) = KINDS.iter().find(|kind| has(kind.offset, kind.magic)) {
        return kind.bearing;
    }
    let named = |(end, kind): &&(&[u8], Kind)| name.ends_with(end) && has(kind.offset, kind.magic);
    if let Some((_, kind)) = NAMED.iter().find(named) {
        return kind.bearing;
    }
    match is_text {
        // Scripts, configuration, sources, markup.
        true => Known,
        false => Doubtful("it is a binary file of no known kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_first_bytes_or_their_names() {
        let at = |offset: usize, magic: &[u8]| [vec![0; offset].as_slice(), magic].concat();
        for (name, head, is_text, expected) in [
            ("libc.so", b"\x7fELF\x02\x01\x01\0".to_vec(), false, Known),
            ("sh", b"#!/bin/sh\n".to_vec(), true, Known),
            ("x.pyc", b"\xa7\x0d\x0d\x0a\0\0".to_vec(), false, Known),
            ("x.class", b"\xca\xfe\xba\xbe\0\0\0\x34".to_vec(), false, Known),
            ("fat", b"\xca\xfe\xba\xbe\0\0\0\x02".to_vec(), false, UNKNOWN),
            ("icon.png", b"\x89PNG\r\n\x1a\n".to_vec(), false, CHUNKS),
            ("root.img", at(0x438, b"\x53\xef"), false, IMAGE),
            ("cd.iso", at(0x8001, b"CD001"), false, IMAGE),
            ("b.img", at(0x1_0040, b"_BHRfS_M"), false, IMAGE),
            ("db.sqlite", b"SQLite format 3\0".to_vec(), false, KEYED),
            ("a.db", at(12, b"\x61\x15\x06\0"), false, KEYED),
            ("data", b"\x01\x02\0".to_vec(), false, UNKNOWN),
        ] {
            assert_eq!(bearing(name.as_bytes(), &head, is_text), expected, "{name}");
        }
    }

    const UNKNOWN: Bearing = Doubtful("it is a binary file of no known kind");

    #[test]
    fn the_head_is_long_enough_for_all() {
        let longest = KINDS.iter().map(|kind| kind.offset + kind.magic.len()).max();
        assert_eq!(longest, Some(HEAD_LEN));
    }
}
