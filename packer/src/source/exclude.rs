//! What `--exclude` leaves out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use format::STORE_DIR;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// Patterns for files to leave out.
#[derive(Default)]
pub(crate) struct Exclude {
    /// Patterns that begin with `/`: for whole paths.
    whole: GlobSet,
    /// All others: for paths below their store path.
    below: GlobSet,
    /// Whether devices, sockets and the like are left out, which otherwise are an error.
    special: bool,
}

impl Exclude {
    /// Reads patterns. `*` and `?` stop at a slash, `**` does not.
    ///
    /// # Errors
    ///
    /// If one is malformed.
    pub(crate) fn new(patterns: &[String]) -> Result<Exclude> {
        let set = |whole: bool| {
            let mut set = GlobSetBuilder::new();
            for pattern in patterns.iter().filter(|pattern| pattern.starts_with('/') == whole) {
                let glob = GlobBuilder::new(pattern).literal_separator(true).build();
                set.add(
                    glob.map_err(|source| Error::Pattern { pattern: pattern.clone(), source })?,
                );
            }
            let pattern = || patterns.join(" ");
            set.build().map_err(|source| Error::Pattern { pattern: pattern(), source })
        };
        Ok(Exclude { whole: set(true)?, below: set(false)?, special: false })
    }

    /// Leaves nothing out but devices, sockets and the like.
    pub(crate) fn special() -> Exclude {
        Exclude { special: true, ..Exclude::default() }
    }

    /// Whether to leave out what is neither file nor directory nor link.
    pub(crate) fn matches_special(&self) -> bool {
        self.special
    }

    /// Whether to leave out the file at `path` below the store, such as `<hash>-<name>/bin/sh`.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        if self.whole.is_empty() && self.below.is_empty() {
            return false;
        }
        let below = path.iter().position(|byte| *byte == b'/').map(|at| &path[at + 1..]);
        below.is_some_and(|below| self.below.is_match(OsStr::from_bytes(below)))
            || (!self.whole.is_empty() && {
                let whole = [STORE_DIR.as_bytes(), b"/", path].concat();
                self.whole.is_match(OsStr::from_bytes(&whole))
            })
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
