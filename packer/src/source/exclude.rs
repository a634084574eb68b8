//! The patterns of `--exclude`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use format::STORE_DIR;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// Patterns for files to leave out.
#[derive(Default)]
pub(crate) struct Exclude {
    /// Patterns that begin with `/`; they match absolute paths.
    absolute: Patterns,
    /// All other patterns; they match paths below a store path.
    below: Patterns,
    /// Whether to leave out special files, such as devices and sockets, instead of refusing them.
    special: bool,
}

/// Patterns of one kind.
#[derive(Default)]
struct Patterns {
    set: GlobSet,
    /// Each pattern, and whether it has matched a path.
    used: Vec<(String, AtomicBool)>,
}

impl Patterns {
    fn match_path(&self, path: &[u8]) -> bool {
        let matches = self.set.matches(OsStr::from_bytes(path));
        for number in &matches {
            self.used[*number].1.store(true, Ordering::Relaxed);
        }
        !matches.is_empty()
    }
}

impl Exclude {
    /// Parses patterns. `*` and `?` do not match a slash, `**` does.
    ///
    /// # Errors
    ///
    /// If a pattern is not valid.
    pub(crate) fn new(patterns: &[String]) -> Result<Exclude> {
        let set = |absolute: bool| -> Result<Patterns> {
            let mut set = GlobSetBuilder::new();
            let mut used = Vec::new();
            for pattern in patterns.iter().filter(|pattern| pattern.starts_with('/') == absolute) {
                let glob = GlobBuilder::new(pattern).literal_separator(true).build();
                set.add(
                    glob.map_err(|source| Error::Pattern { pattern: pattern.clone(), source })?,
                );
                used.push((pattern.clone(), AtomicBool::new(false)));
            }
            let pattern = || patterns.join(" ");
            let set =
                set.build().map_err(|source| Error::Pattern { pattern: pattern(), source })?;
            Ok(Patterns { set, used })
        };
        Ok(Exclude { absolute: set(true)?, below: set(false)?, special: false })
    }

    /// Leaves out special files only, such as devices and sockets.
    pub(crate) fn special() -> Exclude {
        Exclude { special: true, ..Exclude::default() }
    }

    /// Whether to leave out files that are neither a regular file nor a directory nor a symbolic link.
    pub(crate) fn matches_special(&self) -> bool {
        self.special
    }

    /// Whether to leave out the file at `path` below the store, such as `<hash>-<name>/bin/sh`.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        if self.absolute.set.is_empty() && self.below.set.is_empty() {
            return false;
        }
        let below = path.iter().position(|byte| *byte == b'/').map(|at| &path[at + 1..]);
        let is_below = below.is_some_and(|below| self.below.match_path(below));
        let absolute = || [STORE_DIR.as_bytes(), b"/", path].concat();
        (!self.absolute.set.is_empty() && self.absolute.match_path(&absolute())) || is_below
    }

    /// Returns the patterns that have matched no path so far.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.absolute
            .used
            .iter()
            .chain(&self.below.used)
            .filter(|(_, used)| !used.load(Ordering::Relaxed))
            .map(|(pattern, _)| pattern.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths_or_below() {
        let table = [
            ("share/man", "x-y/share/man", true),
            ("share/man", "x-y/lib/share/man", false),
            ("share/man/**", "x-y/share/man/man1/ls.1", true),
            ("share/man/**", "x-y/share/man", false),
            ("*.pyc", "x-y/lib/a.pyc", false),
            ("**/*.pyc", "x-y/lib/a.pyc", true),
            ("**/*.pyc", "x-y/a.pyc", true),
            ("/nix/store/*-doc", "abc-python-doc", true),
            ("/nix/store/*-doc", "abc-python-doc/index", false),
            ("/nix/store/x-*/lib/*.a", "x-y/lib/libc.a", true),
            ("**", "x-y", false),
            ("**/*.{a,la}", "x-y/lib/libc.la", true),
        ];
        for (pattern, path, expected) in table {
            let exclude = Exclude::new(&[pattern.to_owned()]).unwrap();
            assert_eq!(exclude.matches(path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn names_are_bytes() {
        let exclude = Exclude::new(&["share/*".to_owned()]).unwrap();
        assert!(exclude.matches(b"x-y/share/\xff\n"));
    }

    #[test]
    fn malformed_pattern_is_named() {
        let error = Exclude::new(&["a{b".to_owned()]).err().unwrap();
        assert!(error.to_string().contains("a{b"), "{error}");
    }
}
