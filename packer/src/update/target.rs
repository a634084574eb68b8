//! The bundle that is updated: the file behind a link, a lock on it, and how the new one takes its place.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use format::Digest;
use rustix::fs::{FallocateFlags, FlockOperation, Gid, Uid};
use rustix::io::Errno;

use super::assembly::Whole;
use crate::error::{Error, Result};
use crate::output::file::{OutputFile, PREFIX, dir};
use crate::show;
use crate::source::bundle::Bundle;

/// The ending of the old bundle's name, if it is kept.
const OLD: &str = ".old";

/// Permissions that a new bundle takes over: none that raise rights.
const PERMISSIONS: u32 = 0o777;

/// A bundle that is there.
pub(crate) struct Target {
    /// Its path, without links.
    path: PathBuf,
    pub(crate) bundle: Bundle,
}

impl Target {
    /// Opens a bundle. If `path` is a link, it is the file that it leads to.
    ///
    /// # Errors
    ///
    /// If it is no bundle.
    pub(crate) fn open(path: &Path) -> Result<Target> {
        let failed = |error| Error::io("open", path, error);
        let bundle = Bundle::open(path)?;
        Ok(Target { path: fs::canonicalize(path).map_err(failed)?, bundle })
    }

    /// As [`Target::open`], to replace it: no other update may be at work. Removes what an update left that was killed.
    ///
    /// # Errors
    ///
    /// If one is, or the directory cannot be written.
    pub(crate) fn lock(path: &Path) -> Result<Target> {
        loop {
            let target = Target::open(path)?;
            let lock = FlockOperation::NonBlockingLockExclusive;
            // Some network file systems have no locks. Then two updates at once do the work twice.
            if rustix::fs::flock(&target.bundle.file, lock) == Err(Errno::WOULDBLOCK) {
                return Err(Error::UpdateRunning { path: show::path(path) });
            }
            // Another update may have replaced the file before it gave up its lock.
            let inode = |meta: io::Result<fs::Metadata>| meta.ok().map(|it| (it.dev(), it.ino()));
            if inode(target.bundle.file.metadata()) == inode(target.path.metadata()) {
                target.output()?;
                target.remove_leftovers();
                return Ok(target);
            }
        }
    }

    /// Creates the file that will replace it.
    ///
    /// # Errors
    ///
    /// If the directory cannot be written.
    pub(crate) fn output(&self) -> Result<OutputFile> {
        OutputFile::create_replacement(&self.path, &self.prefix())
            .map_err(|error| self.failed(error))
    }

    /// Takes the room that a file of this length needs, so that a full disk shows before anything is fetched.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub(crate) fn reserve(&self, output: &OutputFile, len: u64) -> Result<()> {
        match rustix::fs::fallocate(output.file(), FallocateFlags::empty(), 0, len) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Err(self.cannot_replace(errno.into()))
            }
            // Not all file systems can do it.
            _ => Ok(()),
        }
    }

    /// Puts the new bundle in its place, with its permissions and, where possible, its owner.
    ///
    /// # Errors
    ///
    /// If it cannot be renamed; then the old bundle is still there.
    pub(crate) fn replace(&self, whole: Whole, keep: Keep) -> Result<()> {
        let failed = |error| self.cannot_replace(error);
        let old = self.bundle.file.metadata().map_err(failed)?;
        let new = whole.file().metadata().map_err(failed)?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
            // An ordinary user gives no file away, and to own groups only.
            if rustix::fs::fchown(whole.file(), Some(uid), Some(gid)).is_err() {
                let _ = rustix::fs::fchown(whole.file(), None, Some(gid));
            }
        }
        let permissions = Permissions::from_mode(old.mode() & PERMISSIONS);
        whole.file().set_permissions(permissions).map_err(failed)?;
        if keep == Keep::Old {
            self.keep().map_err(failed)?;
        }
        whole.publish().map_err(|error| self.failed(error))
    }

    /// Gives the old bundle a second name.
    fn keep(&self) -> io::Result<()> {
        let link = |name: &Path| -> io::Result<File> {
            if fs::hard_link(&self.path, name).is_err() {
                // Not all file systems have links, and the kernel may forbid them for files of others.
                fs::copy(&self.path, name)?;
            }
            File::open(name)
        };
        let file =
            tempfile::Builder::new().prefix(&self.prefix()).make_in(dir(&self.path), link)?;
        file.as_file().sync_all()?;
        let mut name = self.path.clone().into_os_string();
        name.push(OLD);
        // rename(2) does nothing if both are names of the same file.
        if let Ok(there) = fs::symlink_metadata(&name)
            && there.is_file()
            && there.ino() == file.as_file().metadata()?.ino()
        {
            return Ok(());
        }
        file.persist(PathBuf::from(name)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The prefix of temporary names beside the bundle: they belong to its updates alone, so the next one may remove them.
    fn prefix(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().as_encoded_bytes();
        format!("{PREFIX}update-{}-", &Digest::of(name).to_string()[..16])
    }

    fn remove_leftovers(&self) {
        let prefix = self.prefix();
        let Ok(entries) = fs::read_dir(dir(&self.path)) else { return };
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                // An error may be ignored: the update works without.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn failed(&self, error: Error) -> Error {
        match error {
            Error::Io { source, .. } => self.cannot_replace(source),
            error => error,
        }
    }

    fn cannot_replace(&self, source: io::Error) -> Error {
        Error::NotReplaced { path: show::path(&self.path), source }
    }
}

/// What becomes of the old bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// It gets the ending [`OLD`].
    Old,
}
