//! Reads the store directory on this machine, and store paths that were fetched.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use format::{STORE_DIR, StorePath};
use rustix::fs::{Dir, Mode, OFlags, openat};

use crate::error::{Error, Result};
use crate::show;
use crate::source::kept::{KeptFile, Nar, Nars};
use crate::source::stripped::{StrippedFile, StrippedFiles};

/// The largest number of bytes in a path for one system call: `PATH_MAX` (4096) includes the NUL at the end.
const PATH_LEN: usize = 4095;

/// An open store: `/nix/store`, or `nix/store` below another root.
pub(crate) struct Store {
    dir: PathBuf,
    /// `None` if there is no such directory: all store paths are fetched then.
    fd: Option<OwnedFd>,
    origin: Origin,
    /// Store paths that were fetched; they are read from here even if the directory has them.
    fetched: Nars,
    /// Files that were stripped; their contents are these.
    stripped: StrippedFiles,
}

/// Where a store comes from; it decides how packer finds closures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The store of this machine, whose closures Nix's database may have.
    Host,
    /// The store of `--store-root`, where packer scans files.
    Other,
}

impl Store {
    /// Opens the store below `root`; without one, the store of this machine.
    ///
    /// # Errors
    ///
    /// If the store does not exist or cannot be read.
    pub(crate) fn open(root: Option<&Path>) -> Result<Store> {
        let store = Store::open_or_none(root)?;
        match store.fd {
            Some(_) => Ok(store),
            None => Err(Error::NoStore { dir: show::path(&store.dir) }),
        }
    }

    /// As [`Store::open`], but the store need not exist.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn open_or_none(root: Option<&Path>) -> Result<Store> {
        let (root, origin) = match root {
            None => (Path::new("/"), Origin::Host),
            Some(root) => (root, Origin::Other),
        };
        let dir = root.join(STORE_DIR.trim_start_matches('/'));
        let dir = std::path::absolute(&dir).map_err(|source| Error::io("find", &dir, source))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&dir, flags, Mode::empty()) {
            Ok(fd) => Ok(Store::new(dir, Some(fd), origin)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
                Ok(Store::new(dir, None, origin))
            }
            Err(errno) => Err(Error::io("open", &dir, errno.into())),
        }
    }

    fn new(dir: PathBuf, fd: Option<OwnedFd>, origin: Origin) -> Store {
        Store { dir, fd, origin, fetched: Nars::default(), stripped: StrippedFiles::default() }
    }

    /// Replaces the contents of files that were stripped.
    pub(crate) fn set_stripped(&mut self, stripped: StrippedFiles) {
        self.stripped = stripped;
    }

    /// Adds store paths that were fetched.
    pub(crate) fn add(&mut self, fetched: Nars) {
        self.fetched = fetched;
    }

    /// The fetched NAR that has a path below the store, and the path's rest; `None` if the directory has it.
    pub(crate) fn fetched<'a>(&self, path: &'a [u8]) -> Option<(&Nar, &'a [u8])> {
        self.fetched.at(path)
    }

    /// The path of the store directory on this machine.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the store comes from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Lists the store paths, sorted; leaves out other names, such as `.links`.
    ///
    /// Nix puts lock files and build directories beside a store path, with its name and a suffix. So among names
    /// with the same hash, the shortest is the store path.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub(crate) fn paths(&self) -> Result<Vec<StorePath>> {
        let failed = |errno: rustix::io::Errno| Error::io("read", &self.dir, errno.into());
        let mut paths = Vec::new();
        let Some(fd) = &self.fd else { return Ok(paths) };
        for entry in Dir::read_from(fd).map_err(failed)? {
            paths.extend(StorePath::parse(entry.map_err(failed)?.file_name().to_bytes()));
        }
        paths.sort_by_key(|path| (path.hash().text(), path.name().len()));
        paths.dedup_by_key(|path| path.hash());
        Ok(paths)
    }

    /// Opens the file at `path` below the store for reading; the path may have any length.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is a symbolic link.
    pub(crate) fn open_file(&self, path: &[u8]) -> io::Result<StoreFile<'_>> {
        if let Some(file) = self.stripped.get(path) {
            return Ok(StoreFile::Stripped { file, at: 0 });
        }
        Ok(match self.fetched.at(path) {
            Some((nar, below)) => {
                StoreFile::Fetched { file: self.fetched.open(nar, below)?, at: 0 }
            }
            None => StoreFile::Local(self.open_with(path, OFlags::RDONLY)?.into()),
        })
    }

    /// Opens the directory at `path` below the store; the path may have any length.
    ///
    /// # Errors
    ///
    /// If it is not a directory, or cannot be opened.
    pub(crate) fn open_dir(&self, path: &[u8]) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Checks that a store path exists; it may be any kind of file.
    ///
    /// # Errors
    ///
    /// If it does not exist, or the check fails.
    pub(crate) fn require(&self, path: &StorePath) -> Result<()> {
        if self.has(path)? {
            return Ok(());
        }
        Err(Error::NoStorePath { path: format!("{STORE_DIR}/{path}") })
    }

    /// Whether the directory has a store path.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn has(&self, path: &StorePath) -> Result<bool> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let Some(fd) = &self.fd else { return Ok(false) };
        match rustix::fs::statat(fd, path.to_string(), flags) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(errno) => {
                Err(Error::in_store("look for", path.to_string().as_bytes(), errno.into()))
            }
        }
    }

    fn open_with(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let store = self.fd.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut dir: Option<OwnedFd> = None;
        let mut rest = path;
        while rest.len() > PATH_LEN {
            // A name has at most 255 bytes, so there is a slash.
            let cut = rest[..PATH_LEN].iter().rposition(|byte| *byte == b'/');
            let (head, tail) = rest.split_at(cut.ok_or(rustix::io::Errno::NAMETOOLONG)?);
            let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let from = dir.as_ref().map_or(store.as_fd(), AsFd::as_fd);
            dir = Some(openat(from, head, step, Mode::empty())?);
            rest = &tail[1..];
        }
        let from = dir.as_ref().map_or(store.as_fd(), AsFd::as_fd);
        Ok(openat(from, rest, flags, Mode::empty())?)
    }
}

/// An open file of the store, read from its start or from any place.
pub(crate) enum StoreFile<'a> {
    Local(File),
    Fetched {
        file: KeptFile<'a>,
        /// Where the next bytes are read.
        at: u64,
    },
    Stripped {
        file: StrippedFile<'a>,
        /// Where the next bytes are read.
        at: u64,
    },
}

impl StoreFile<'_> {
    /// Reads some bytes from an offset on; none at the end.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            StoreFile::Local(file) => file.read_at(buffer, offset),
            StoreFile::Fetched { file, .. } => file.read_at(buffer, offset),
            StoreFile::Stripped { file, .. } => file.read_at(buffer, offset),
        }
    }

    /// Fills the buffer from an offset on.
    ///
    /// # Errors
    ///
    /// If the file ends before, or cannot be read.
    pub(crate) fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        if let StoreFile::Local(file) = self {
            return file.read_exact_at(buffer, offset);
        }
        while !buffer.is_empty() {
            let count = self.read_at(buffer, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[count..];
            offset += count as u64;
        }
        Ok(())
    }
}

impl Read for StoreFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            StoreFile::Local(file) => file.read(buffer),
            StoreFile::Fetched { file, at } => {
                let count = file.read_at(buffer, *at)?;
                *at += count as u64;
                Ok(count)
            }
            StoreFile::Stripped { file, at } => {
                let count = file.read_at(buffer, *at)?;
                *at += count as u64;
                Ok(count)
            }
        }
    }
}

impl Seek for StoreFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (len, at) = match self {
            StoreFile::Local(file) => return file.seek(to),
            StoreFile::Fetched { file, at } => (file.len, at),
            StoreFile::Stripped { file, at } => (file.len(), at),
        };
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => len.checked_add_signed(by),
            SeekFrom::Current(by) => at.checked_add_signed(by),
        };
        *at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(*at)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    pub(crate) const GLIBC: &str = "1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc";
    pub(crate) const BASH: &str = "mdqbvva59jscqy50km1a26xisr7vsjz5-bash";
    pub(crate) const MARKOV: &str = "z3qbvva59jscqy50km1a26xisr7vsjz5-markov";

    /// A store in a temporary directory.
    pub(crate) struct TestStore {
        pub(crate) root: tempfile::TempDir,
    }

    impl TestStore {
        pub(crate) fn new() -> TestStore {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("nix/store")).unwrap();
            TestStore { root }
        }

        pub(crate) fn dir(&self) -> PathBuf {
            self.root.path().join("nix/store")
        }

        pub(crate) fn open(&self) -> Store {
            Store::open(Some(self.root.path())).unwrap()
        }

        /// Writes a file below the store, with the directories above it.
        pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &TestStore {
            let path = self.dir().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            self
        }

        /// The same as `file`, with an executable file.
        pub(crate) fn program(&self, path: &str, content: impl AsRef<[u8]>) -> &TestStore {
            use std::os::unix::fs::PermissionsExt as _;
            self.file(path, content);
            let path = self.dir().join(path);
            fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
            self
        }

        /// Makes a link below the store, with the directories above it.
        pub(crate) fn link(&self, path: &str, target: &str) -> &TestStore {
            let path = self.dir().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
            self
        }
    }

    #[test]
    fn other_names_are_left_out() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/libc.so.6"), "").file(&format!("{GLIBC}.lock"), "");
        store.file("1zqbvva59jscqy50km1a26xisr7vsjz5-Cargo.lock", "");
        store.file(".links/x", "").file("trash", "");
        let names: Vec<String> =
            store.open().paths().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, [GLIBC, "1zqbvva59jscqy50km1a26xisr7vsjz5-Cargo.lock"]);
    }

    #[test]
    fn missing_store_is_named() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(Store::open(Some(root.path())), Err(Error::NoStore { .. })));
    }
}
