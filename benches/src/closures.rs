//! What is packed: real closures, with an entry that does nothing.

use std::fs;
use std::path::PathBuf;

use tests::{Builder, Bundle, Closure};

use crate::{fixture, floor};

/// A closure and a program in it that only exits.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) bundle: Bundle,
    /// The entry: a path in the store.
    pub(crate) entry: PathBuf,
}

impl Subject {
    /// An attribute of `nix/default.nix`, with a store path for the entry beside it. Of two versions of a
    /// subject, that store path alone differs.
    pub(crate) fn of(attribute: &str, version: u32) -> Subject {
        let (builder, entry) = Subject::describe(attribute, version);
        Subject { bundle: builder.pack(), entry }
    }

    /// How such a bundle is packed, and its entry.
    pub(crate) fn describe(attribute: &str, version: u32) -> (Builder, PathBuf) {
        let tiny = tiny(version);
        let builder = Bundle::of(&Closure::example(attribute));
        let builder = builder.option("--closure", &tiny.path).entry("/bin/tiny");
        (builder, tiny.path.join("bin/tiny"))
    }

    /// The entry's path below the directory that has `nix/store` in it.
    pub(crate) fn entry_below(&self) -> String {
        let below = self.entry.strip_prefix("/").unwrap_or(&self.entry);
        below.display().to_string()
    }
}

/// A store path with nothing but the entry and a version in it.
fn tiny(version: u32) -> Closure {
    let directory = fixture::directory().join(format!("tiny-{version}"));
    floor::compile("tiny", &directory.join("bin/tiny"));
    fs::write(directory.join("version"), format!("{version}\n")).expect("write a file");
    Closure::added(&directory)
}
