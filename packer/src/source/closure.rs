//! Finds the closure of the store paths that `--closure` names.

mod fetch;
mod graph;
mod nix;
mod scan;

use std::ffi::OsStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use format::{STORE_DIR, StorePath};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::show;
use crate::source::path_info::{self, KnownPaths};
use crate::source::store::{Origin, Store};

pub(crate) use fetch::Fetched;

/// The limit on symbolic links in a path: the same as in Linux.
const LINKS: usize = 40;

/// A closure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closure {
    /// The store paths that `--closure` names, in the order of the arguments.
    pub(crate) roots: Vec<StorePath>,
    /// The roots and all store paths that they refer to, transitively; sorted by base name.
    pub(crate) paths: Vec<StorePath>,
    /// What Nix's database knows of some of them; empty where it was not asked.
    pub(crate) known: KnownPaths,
}

/// What to ask Nix's database for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The store paths.
    Paths,
    /// Also what it knows of each, such as signatures.
    PathInfo,
}

impl Closure {
    /// Finds the closure.
    ///
    /// With `--closure-graph`, its file lists the store paths. Otherwise, Nix's database lists them, if Nix is
    /// installed and the user may open the database. Otherwise, and with `--store-root`, packer scans the files
    /// for references, as Nix does. Only Nix's database says more than the store paths.
    ///
    /// # Errors
    ///
    /// If an argument does not lead to a store path, or the store path is not valid or does not exist.
    pub(crate) fn find(
        store: &Store,
        arguments: &[PathBuf],
        graph: Option<&Path>,
        ask: Ask,
        threads: NonZeroUsize,
        progress: &Progress,
    ) -> Result<Closure> {
        let mut roots = Vec::new();
        for argument in arguments {
            let root = store_path(store, argument)?;
            store.require(&root)?;
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        let from_nix = match (graph, store.origin()) {
            (None, Origin::Host) => nix::requisites(&roots, progress)?,
            _ => None,
        };
        let known = match (&from_nix, ask) {
            (Some(_), Ask::PathInfo) => path_info::ask(&roots, progress),
            _ => KnownPaths::new(),
        };
        let (roots, mut paths) = match (graph, from_nix) {
            (Some(file), _) => graph::read(file, roots)?,
            (None, Some(paths)) => (roots, paths),
            (None, None) => {
                let paths = scan::requisites(store, &roots, threads, progress)?;
                (roots, paths)
            }
        };
        paths.sort_by_cached_key(ToString::to_string);
        paths.dedup();
        // A graph or Nix's database may list a store path that was removed.
        paths.iter().try_for_each(|path| store.require(path))?;
        Ok(Closure { roots, paths, known })
    }
}

/// The roots and all store paths that they refer to: Nix's database lists them, or else a scan of their files finds them.
fn requisites(
    store: &Store,
    roots: &[StorePath],
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<Vec<StorePath>> {
    let from_nix = match store.origin() {
        Origin::Host => nix::requisites(roots, progress)?,
        Origin::Other => None,
    };
    match from_nix {
        Some(paths) => Ok(paths),
        None => scan::requisites(store, roots, threads, progress),
    }
}

/// Follows the symbolic links of `argument` one by one, until it is a store path or below one.
pub(crate) fn store_path(store: &Store, argument: &Path) -> Result<StorePath> {
    let not_one = || Error::NotStorePath { path: show::path(argument) };
    let mut path = std::path::absolute(argument).map_err(|e| Error::io("find", argument, e))?;
    for _ in 0..LINKS {
        for dir in [Path::new(STORE_DIR), store.dir()] {
            if let Ok(below) = path.strip_prefix(dir) {
                // `..` could lead to another store path, or out of the store.
                if below.components().any(|component| component == Component::ParentDir) {
                    return Err(not_one());
                }
                let base_name = below.components().next().map(Component::as_os_str);
                let base_name = base_name.unwrap_or(OsStr::new(""));
                return StorePath::parse(base_name.as_bytes()).map_err(|_| not_one());
            }
        }
        path = match follow_first_link(&path) {
            Ok(Some(path)) => path,
            Ok(None) => return Err(not_one()),
            Err(error) => return Err(Error::io("find", argument, error)),
        };
    }
    Err(Error::io("find", argument, rustix::io::Errno::LOOP.into()))
}

/// Replaces the first symbolic link in an absolute path with its target; `None` if there is no link.
fn follow_first_link(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut done = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        match component {
            // `done` contains no links, so `..` is its parent directory.
            Component::ParentDir => drop(done.pop()),
            component => done.push(component),
        }
        if done.symlink_metadata()?.is_symlink() {
            let target = done.read_link()?;
            done.pop();
            return Ok(Some(done.join(target).join(components.as_path())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    fn find(store: &TestStore, arguments: &[&Path]) -> Result<Closure> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|path| path.to_path_buf()).collect();
        let (ask, threads) = (Ask::PathInfo, NonZeroUsize::MIN);
        Closure::find(&store.open(), &arguments, None, ask, threads, &Progress::hidden())
    }

    fn example() -> TestStore {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/libc.so"), format!("{GLIBC} {BASH}"));
        store.file(&format!("{BASH}/bin/sh"), "\0".repeat(300_000) + GLIBC);
        store.link(&format!("{MARKOV}/bin/sh"), &format!("/nix/store/{BASH}/bin/sh"));
        store
    }

    #[test]
    fn links_and_paths_lead_to_a_store_path() {
        let store = example();
        let outside = tempfile::tempdir().unwrap();
        let result = outside.path().join("result");
        let second = outside.path().join("second");
        let dir = outside.path().join("dir");
        symlink(format!("/nix/store/{MARKOV}"), &result).unwrap();
        symlink("result", &second).unwrap();
        symlink(".", &dir).unwrap();
        for argument in [
            Path::new("/nix/store").join(MARKOV),
            Path::new("/nix/store").join(MARKOV).join("bin/sh"),
            store.dir().join(MARKOV),
            result.clone(),
            second,
            dir.join("..").join(outside.path().file_name().unwrap()).join("result/bin"),
        ] {
            let closure = find(&store, &[&argument]).unwrap();
            assert_eq!(closure.roots[0].to_string(), MARKOV, "{}", argument.display());
            assert_eq!(closure.paths.len(), 3);
        }
    }

    #[test]
    fn roots_keep_their_order_and_paths_are_sorted() {
        let store = example();
        let (bash, glibc) = (store.dir().join(BASH), store.dir().join(GLIBC));
        let closure = find(&store, &[&bash, &glibc, &bash]).unwrap();
        let names = |paths: &[StorePath]| -> Vec<String> {
            paths.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&closure.roots), [BASH, GLIBC]);
        assert_eq!(names(&closure.paths), [GLIBC, BASH]);
    }

    #[test]
    fn wrong_arguments_are_told_apart() {
        let store = example();
        let outside = tempfile::tempdir().unwrap();
        symlink("loop", outside.path().join("loop")).unwrap();
        let gone = "0zqbvva59jscqy50km1a26xisr7vsjz5-gone";
        for (argument, expected) in [
            (outside.path().join("missing"), "cannot find"),
            (outside.path().join("loop"), "cannot find"),
            (outside.path().into(), "is not a store path"),
            ("/nix/store".into(), "is not a store path"),
            (store.dir().join(GLIBC).join("../bin"), "is not a store path"),
            (store.dir().join(gone), "does not exist"),
        ] {
            let error = find(&store, &[&argument]).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", argument.display());
        }
    }
}
