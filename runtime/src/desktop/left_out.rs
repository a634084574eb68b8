//! What is not installed, and why.

use alloc::vec::Vec;
use core::fmt;

use super::text::{Text, joined};
use crate::error::Escaped;

/// A file of the closure, or a part of one, that is not installed.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    /// The file's path below its store path.
    pub(super) file: Text,
    pub(super) reason: Reason,
}

/// Why it is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It does not exist in the closure.
    Absent,
    /// It is a link to this path, which is not in the closure.
    Outside(Text),
    /// Links lead to each other.
    Loop,
    /// A directory has its name.
    Directory,
    /// It has more bytes than this.
    TooLarge(u64),
    /// There are more files than this.
    TooMany(usize),
    /// It has a NUL, or bytes that are not UTF-8.
    NoText,
    /// Its name is not UTF-8, or has control characters.
    OddName,
    /// It is not what its name says.
    NoDesktopEntry,
    /// It describes no application, or says that it is hidden.
    NoApplication,
    /// The main group has no command line.
    NoExec,
    /// The command line cannot be split into words.
    MalformedExec,
    /// The bundle does not run this program.
    NoProgram(Text),
    /// The command line has a store path as an argument; nothing is there on this machine.
    StorePathArgument,
    /// Another store path has a file of this name.
    SameName,
    /// It describes no program that is installed.
    NotOfEntries,
}

/// The group of an entry that is left out; the main group if it has no name.
pub(super) fn group(file: &[u8], group: &[u8]) -> Text {
    joined(&[file, b" [", group, b"]"])
}

/// Formats each with the first text before it and the second between two.
pub(super) struct Lines<'a>(
    pub(super) &'a [LeftOut],
    pub(super) &'static str,
    pub(super) &'static str,
);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, LeftOut { file, reason }) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(self.2)?;
            }
            write!(f, "{}{}: {reason}", self.1, Escaped(file))?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Absent => f.write_str("a link that leads nowhere"),
            Reason::Outside(path) => write!(f, "a link out of the closure, to {}", Escaped(path)),
            Reason::Loop => f.write_str("too many links"),
            Reason::Directory => f.write_str("a directory"),
            Reason::TooLarge(limit) => write!(f, "more than {limit} bytes"),
            Reason::TooMany(limit) => write!(f, "more than {limit} files"),
            Reason::NoText => f.write_str("not UTF-8 text"),
            Reason::OddName => f.write_str("its name is not plain UTF-8"),
            Reason::NoDesktopEntry => f.write_str("it does not begin with [Desktop Entry]"),
            Reason::NoApplication => f.write_str("it is hidden, or no application"),
            Reason::NoExec => f.write_str("it has no Exec"),
            Reason::MalformedExec => f.write_str("its Exec is malformed"),
            Reason::NoProgram(name) => write!(f, "the bundle has no entry {}", Escaped(name)),
            Reason::StorePathArgument => f.write_str("its Exec has a store path as an argument"),
            Reason::SameName => f.write_str("another store path has a file of this name"),
            Reason::NotOfEntries => f.write_str("it is of no entry that is installed"),
        }
    }
}

/// The list of what is left out.
pub(super) type AllLeftOut = Vec<LeftOut>;
