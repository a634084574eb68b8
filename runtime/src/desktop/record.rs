//! What an installation has written: the list by which it is found and removed again.

use alloc::vec::Vec;

use super::exec::base_name;
use super::text::{Text, joined, kept};

/// The first line of a record.
const HEADER: &[u8] = b"packed desktop entries 1";

/// A path below the data directory, or an absolute path: UTF-8 without control characters.
pub(super) type Path = Text;

/// The record of one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What is in the names of all its files, so that they are nobody else's.
    pub(super) key: Key,
    /// The bundle's digest, as text.
    pub(super) digest: Text,
    /// The absolute path of the bundle.
    pub(super) bundle: Path,
    /// The directories that were created, from the top down: paths below the data directory.
    pub(super) directories: &'static [Path],
    /// The files.
    pub(super) files: &'static [Path],
}

/// What tells a bundle's files from those of others: letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) Text);

impl Key {
    /// Bytes at most, without a number, so that file names stay short.
    const LEN: usize = 48;

    /// Makes one of the bundle's name that is not that of `others`.
    pub(super) fn new(bundle: &[u8], others: &[Record]) -> Key {
        let legal = |byte: &u8| if is_legal(byte) { *byte } else { b'_' };
        let name: Vec<u8> = base_name(bundle).iter().take(Key::LEN).map(legal).collect();
        let (name, mut number) = (kept(name), 1_u32);
        let mut key = Key(name);
        while others.iter().any(|other| other.key == key) {
            number += 1;
            key.0 = joined(&[name, alloc::format!("_{number}").as_bytes()]);
        }
        key
    }

    /// Reads one from the name of a record's file.
    pub(super) fn parse(name: Text) -> Option<Key> {
        (!name.is_empty() && name.iter().all(is_legal)).then_some(Key(name))
    }

    /// Returns the end of the names of the bundle's files, which an extension can follow.
    pub(super) fn suffix(self) -> Text {
        joined(&[b".packed_", self.0])
    }

    /// Returns the directory for files that only the bundle's entries know.
    pub(super) fn directory(self) -> Path {
        joined(&[b"packed/", self.0])
    }

    /// Whether a path below the data directory can be a file of this bundle.
    fn owns(self, path: &[u8]) -> bool {
        let suffix = self.suffix();
        let has_suffix = base_name(path).windows(suffix.len()).any(|part| part == suffix);
        let in_directory = path.strip_prefix(self.directory());
        is_below(path) && (has_suffix || in_directory.is_some_and(|path| path.starts_with(b"/")))
    }
}

fn is_legal(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a path stays below the directory that it starts from.
fn is_below(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

impl Record {
    /// Reads a record. A file or directory that cannot be the bundle's makes it invalid: nothing else is ever removed.
    pub(super) fn parse(key: Key, text: Text) -> Option<Record> {
        let mut lines = text.strip_suffix(b"\n")?.split(|byte| *byte == b'\n');
        if lines.next()? != HEADER || text.contains(&0) {
            return None;
        }
        let digest = lines.next()?.strip_prefix(b"digest ")?;
        let bundle = lines.next()?.strip_prefix(b"bundle ")?;
        let (mut directories, mut files) = (Vec::new(), Vec::new());
        for line in lines {
            if let Some(path) = line.strip_prefix(b"directory ").filter(|path| is_below(path)) {
                directories.push(path);
            } else {
                files.push(line.strip_prefix(b"file ").filter(|path| key.owns(path))?);
            }
        }
        Some(Record { key, digest, bundle, directories: directories.leak(), files: files.leak() })
    }

    /// Returns what [`Record::parse`] reads.
    pub(super) fn text(&self) -> Text {
        let head = [HEADER, b"\ndigest ", self.digest, b"\nbundle ", self.bundle, b"\n"];
        let mut parts = Vec::from(head);
        for (kind, paths) in [(&b"directory "[..], self.directories), (b"file ", self.files)] {
            for path in paths {
                parts.extend([kind, path, b"\n"]);
            }
        }
        joined(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_written_and_others_refused() {
        let key = Key::new(b"/opt/My app%.x", &[]);
        assert_eq!(key.0, b"My_app__x");
        let record = Record {
            key,
            digest: b"00ff",
            bundle: b"/opt/My app%.x",
            directories: &[b"applications"],
            files: &[b"applications/a.packed_My_app__x.desktop", b"packed/My_app__x/bin/foo"],
        };
        let text = record.text();
        assert_eq!(Record::parse(key, text), Some(record));
        for bad in [
            "file applications/firefox.desktop\n",
            "file ../a.packed_My_app__x.desktop\n",
            "file /a.packed_My_app__x.desktop\n",
            "file packed/My_app__xy/foo\n",
            "file packed/My_app__x\n",
            "file packed/My_app__x/foo",
            "directory ..\n",
            "other x\n",
            "\n",
        ] {
            let text = joined(&[text, bad.as_bytes()]);
            assert_eq!(Record::parse(key, text), None, "{bad}");
        }
        assert_eq!(Record::parse(key, b"packed desktop entries 2\n"), None);
    }

    #[test]
    fn keys_differ() {
        let record = |key| Record { key, digest: b"", bundle: b"", directories: &[], files: &[] };
        let first = record(Key::new(b"/a/foo", &[]));
        let second = record(Key::new(b"/b/foo", &[first]));
        assert_eq!((first.key.0, second.key.0), (&b"foo"[..], &b"foo_2"[..]));
        assert_eq!(Key::new(b"/b/foo", &[first, second]).0, b"foo_3");
        assert!(Key::parse(b"a.b").is_none() && Key::parse(b"foo_2").is_some());
    }
}
