//! What an installation has written: the list by which it is found and removed again.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::exec::base_name;

/// The first line of a record.
const HEADER: &str = "packed desktop entries 1";

/// The record of one bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What is in the names of all its files, so that they are nobody else's.
    pub(super) key: Key,
    /// The bundle's digest, as text.
    pub(super) digest: String,
    /// The absolute path of the bundle.
    pub(super) bundle: String,
    /// The directories that were created, from the top down: paths below the data directory.
    pub(super) directories: Vec<String>,
    /// The files.
    pub(super) files: Vec<String>,
}

/// What tells a bundle's files from those of others: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) String);

impl Key {
    /// Characters at most, so that file names stay short.
    const LEN: usize = 48;

    /// Makes one of the bundle's name that is none of `others`.
    pub(super) fn new(bundle: &str, others: &[Key]) -> Key {
        let name = core::str::from_utf8(base_name(bundle.as_bytes())).unwrap_or_default();
        let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = name.chars().take(Key::LEN).map(legal).collect();
        let numbered = (2..).map(|number: u32| Key(alloc::format!("{name}_{number}")));
        let mut keys = core::iter::once(Key(name.clone())).chain(numbered);
        keys.find(|key| !others.contains(key)).unwrap_or(Key(name))
    }

    /// Reads one from the name of a record's file.
    pub(super) fn parse(name: &str) -> Option<Key> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!name.is_empty() && name.chars().all(is_legal)).then(|| Key(name.into()))
    }

    /// Returns the end of the names of the bundle's files, which an extension can follow.
    pub(super) fn suffix(&self) -> String {
        alloc::format!(".packed_{}", self.0)
    }

    /// Returns the directory for files that only the bundle's entries know.
    pub(super) fn directory(&self) -> String {
        alloc::format!("packed/{}", self.0)
    }

    /// Whether a path below the data directory can be a file of this bundle.
    fn owns(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_directory = path.strip_prefix(&*self.directory());
        is_below(path)
            && (name.contains(&self.suffix()) || in_directory.is_some_and(|p| p.starts_with('/')))
    }
}

/// Whether a path stays below the directory that it starts from.
fn is_below(path: &str) -> bool {
    path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

impl Record {
    /// Reads a record. A file or directory that cannot be the bundle's makes it invalid: nothing else is ever removed.
    pub(super) fn parse(key: Key, text: &str) -> Option<Record> {
        let mut lines = text.lines();
        if lines.next()? != HEADER {
            return None;
        }
        let digest = lines.next()?.strip_prefix("digest ")?.into();
        let bundle = lines.next()?.strip_prefix("bundle ")?.into();
        let mut record = Record { key, digest, bundle, directories: Vec::new(), files: Vec::new() };
        for line in lines {
            match line.split_once(' ')? {
                ("directory", path) if is_below(path) => record.directories.push(path.into()),
                ("file", path) if record.key.owns(path) => record.files.push(path.into()),
                _ => return None,
            }
        }
        Some(record)
    }
}

impl fmt::Display for Record {
    /// Writes what [`Record::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\ndigest {}\nbundle {}", self.digest, self.bundle)?;
        self.directories.iter().try_for_each(|path| writeln!(f, "directory {path}"))?;
        self.files.iter().try_for_each(|path| writeln!(f, "file {path}"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec;

    use super::*;

    #[test]
    fn records_are_read_as_written_and_others_refused() {
        let key = Key::new("/opt/My app%.x", &[]);
        assert_eq!(key.0, "My_app__x");
        let record = Record {
            key: key.clone(),
            digest: "00ff".into(),
            bundle: "/opt/My app%.x".into(),
            directories: vec!["applications".into()],
            files: vec![
                "applications/a.packed_My_app__x.desktop".into(),
                "packed/My_app__x/foo".into(),
            ],
        };
        let text = record.to_string();
        assert_eq!(Record::parse(key.clone(), &text), Some(record));
        for bad in [
            "file applications/firefox.desktop",
            "file ../a.packed_My_app__x.desktop",
            "file /a.packed_My_app__x.desktop",
            "file packed/My_app__xy/foo",
            "file packed/My_app__x",
            "directory ..",
            "other x",
        ] {
            assert_eq!(Record::parse(key.clone(), &[&*text, bad].concat()), None, "{bad}");
        }
        assert_eq!(Record::parse(key, "packed desktop entries 2\n"), None);
    }

    #[test]
    fn keys_differ() {
        let first = Key::new("/a/foo", &[]);
        let second = Key::new("/b/foo", core::slice::from_ref(&first));
        assert_eq!((&*first.0, &*second.0), ("foo", "foo_2"));
        assert_eq!(Key::new("/b/foo", &[first, second]).0, "foo_3");
        assert!(Key::parse("a.b").is_none() && Key::parse("foo_2").is_some());
    }
}
