//! Reads the trusted keys in Nix's configuration, where Nix looks for it: nix.conf(5).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The settings' names; the second is the old one.
const NAMES: [&str; 2] = ["trusted-public-keys", "binary-cache-public-keys"];

/// Files that include each other, at most.
const DEPTH: usize = 16;

/// The keys that Nix trusts, in its notation. `default` is what it trusts if no file says otherwise.
///
/// # Errors
///
/// If a file is there and cannot be read.
pub(super) fn keys(default: &str) -> Result<Vec<String>> {
    let mut settings = Settings { keys: vec![default.to_owned()], extra: Vec::new() };
    for path in files() {
        settings.file(&path, Missing::Ignored, DEPTH)?;
    }
    if let Some(text) = env::var_os("NIX_CONFIG") {
        settings.text(&text.to_string_lossy(), Path::new("."), DEPTH)?;
    }
    Ok([settings.keys, settings.extra].concat())
}

/// What to do if a file does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Ignored,
    Refused,
}

struct Settings {
    keys: Vec<String>,
    extra: Vec<String>,
}

impl Settings {
    fn file(&mut self, path: &Path, missing: Missing, depth: usize) -> Result<()> {
        match fs::read(path) {
            Ok(bytes) => {
                let dir = path.parent().unwrap_or(path);
                self.text(&String::from_utf8_lossy(&bytes), dir, depth)
            }
            Err(error) if is_absent(&error) && missing == Missing::Ignored => Ok(()),
            Err(error) => Err(Error::io("read", path, error)),
        }
    }

    /// Reads `name = value` and `include FILE`, as Nix does; `#` begins a comment.
    fn text(&mut self, text: &str, dir: &Path, depth: usize) -> Result<()> {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words.as_slice() {
                ["include", file] if depth > 0 => {
                    self.file(&dir.join(file), Missing::Refused, depth - 1)?;
                }
                ["!include", file] if depth > 0 => {
                    self.file(&dir.join(file), Missing::Ignored, depth - 1)?;
                }
                [name, "=", ref keys @ ..] => {
                    let keys = keys.iter().map(|&key| key.to_owned());
                    if NAMES.contains(&name) {
                        self.keys = keys.collect();
                    } else if name.strip_prefix("extra-").is_some_and(|name| NAMES.contains(&name))
                    {
                        self.extra.extend(keys);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether Nix goes on without a file that nobody names.
fn is_absent(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::NotFound,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::IsADirectory,
        // With another user's HOME, as under sudo.
        io::ErrorKind::PermissionDenied,
    ];
    kinds.contains(&error.kind())
}

/// The configuration files, in the order in which Nix reads them: the last one that sets a value counts.
fn files() -> Vec<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let system = set("NIX_CONF_DIR").map_or_else(|| PathBuf::from("/etc/nix"), PathBuf::from);
    let mut files = vec![system.join("nix.conf")];
    if let Some(list) = set("NIX_USER_CONF_FILES") {
        let user: Vec<PathBuf> = env::split_paths(&list).collect();
        files.extend(user.into_iter().rev());
        return files;
    }
    let below = |dir: PathBuf| dir.join("nix/nix.conf");
    let home = env::home_dir().map(|home| home.join(".config"));
    let own = set("XDG_CONFIG_HOME").map(PathBuf::from).or(home).map(below);
    let dirs = set("XDG_CONFIG_DIRS").unwrap_or_else(|| OsString::from("/etc/xdg"));
    let dirs: Vec<PathBuf> = env::split_paths(&dirs).map(below).collect();
    files.extend(dirs.into_iter().rev().chain(own));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut settings = Settings { keys: vec!["default".to_owned()], extra: Vec::new() };
        settings.text(text, Path::new("."), DEPTH).unwrap();
        [settings.keys, settings.extra].concat()
    }

    #[test]
    fn settings_are_those_of_nix() {
        for (text, expected) in [
            ("", &["default"][..]),
            ("trusted-public-keys = a b # c\n", &["a", "b"]),
            ("trusted-public-keys = a\nextra-trusted-public-keys = b\n", &["a", "b"]),
            ("extra-trusted-public-keys = b\n", &["default", "b"]),
            ("binary-cache-public-keys = a\n trusted-public-keys =  b\n", &["b"]),
            ("trusted-public-keys =\n", &[]),
            ("# trusted-public-keys = a\nsubstituters = x\n!include none\n", &["default"]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn included_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("nix.conf"), "include more\n").unwrap();
        let mut settings = Settings { keys: Vec::new(), extra: Vec::new() };
        let file = dir.path().join("nix.conf");
        assert!(settings.file(&file, Missing::Ignored, DEPTH).is_err());
        fs::write(dir.path().join("more"), "trusted-public-keys = a\ninclude nix.conf\n").unwrap();
        settings.file(&file, Missing::Ignored, DEPTH).unwrap();
        assert_eq!(settings.keys, ["a"]);
    }
}
