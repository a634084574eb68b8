//! Real closures, packed with an entry that does nothing.

use std::fs;
use std::path::PathBuf;

use tests::{Builder, Bundle, Closure};

use crate::{fixture, floor};

/// A packed closure with an entry that only exits.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) bundle: Bundle,
    /// The path of the entry in the store.
    pub(crate) entry: PathBuf,
}

impl Subject {
    /// Packs an attribute of `nix/default.nix`, and one more store path for the entry. Two versions of a subject
    /// differ only in this store path.
    pub(crate) fn of(attribute: &str, version: u32) -> Subject {
        let (builder, entry) = Subject::describe(attribute, version);
        Subject { bundle: builder.pack(), entry }
    }

    /// Returns how to pack such a bundle, and its entry.
    pub(crate) fn describe(attribute: &str, version: u32) -> (Builder, PathBuf) {
        let tiny = tiny(version);
        let builder = Bundle::of(&Closure::example(attribute));
        let builder = builder.option("--closure", &tiny.path).entry("/bin/tiny");
        (builder, tiny.path.join("bin/tiny"))
    }

    /// The path of the entry below the directory that contains `nix/store`.
    pub(crate) fn entry_below(&self) -> String {
        let below = self.entry.strip_prefix("/").unwrap_or(&self.entry);
        below.display().to_string()
    }
}

/// Makes a store path that contains only the entry and a version.
fn tiny(version: u32) -> Closure {
    let directory = fixture::directory().join(format!("tiny-{version}"));
    floor::compile("tiny", &directory.join("bin/tiny"));
    fs::write(directory.join("version"), format!("{version}\n")).expect("write a file");
    Closure::added(&directory)
}
