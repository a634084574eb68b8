//! What packer keeps between runs, in directories below `~/.cache/packer`, and how long.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a file is kept after its last use.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Opens the user's directory `packer/NAME` in `$XDG_CACHE_HOME`, or in `~/.cache`; makes it if it does not exist.
///
/// There is none if the user does not own `$XDG_CACHE_HOME` or the home directory, as in a Nix build or under sudo.
///
/// # Errors
///
/// If the directory cannot be made.
pub(crate) fn open(name: &str) -> io::Result<Option<PathBuf>> {
    let own = |dir: &PathBuf| {
        let uid = rustix::process::geteuid().as_raw();
        dir.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
    };
    let base = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(dir) if dir.is_absolute() => Some(dir).filter(own),
        _ => env::home_dir().filter(own).map(|home| home.join(".cache")),
    };
    let Some(base) = base else { return Ok(None) };
    let dir = base.join("packer").join(name);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    Ok(Some(dir))
}

/// Removes files older than [`KEEP`], then the oldest ones until at most `limit` bytes remain.
///
/// # Errors
///
/// If the directory cannot be read or a file cannot be removed.
pub(crate) fn sweep(dir: &Path, now: SystemTime, limit: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        files.push((meta.modified()?, meta.len(), entry.path()));
    }
    files.sort();
    let mut rest: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (modified, len, path) in files {
        let age = now.duration_since(modified).unwrap_or_default();
        if age <= KEEP && rest <= limit {
            break;
        }
        fs::remove_file(path)?;
        rest -= len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn old_files_and_too_many_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 60 * 60);
        for age in [0, 1, 2, 29, 31] {
            let file = File::create(dir.path().join(age.to_string())).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(now - day * age).unwrap();
        }
        for (limit, expected) in [(1000, &["0", "1", "2", "29"][..]), (399, &["0", "1", "2"])] {
            sweep(dir.path(), now, limit).unwrap();
            let files = fs::read_dir(dir.path()).unwrap();
            let mut kept: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
            kept.sort();
            assert_eq!(kept, expected.iter().map(|name| dir.path().join(name)).collect::<Vec<_>>());
        }
    }
}
