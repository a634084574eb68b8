//! The bundle that is updated: the file behind a link, a lock on it, and how the new one takes its place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use format::Digest;
use rustix::fs::{
    AtFlags, FallocateFlags, FlockOperation, Gid, Mode, OFlags, StatxAttributes, StatxFlags, Uid,
};
use rustix::io::Errno;
use tempfile::{Builder, TempPath};

use super::assembly::Whole;
use crate::error::{Error, Result};
use crate::output::file::{OutputFile, PREFIX};
use crate::show;
use crate::source::bundle::Bundle;

/// The ending of the old bundle's name, if it is kept.
const OLD: &str = ".old";

/// What the temporary name of the old bundle has behind [`Target::prefix`], until the new one has its place.
const OLD_PREFIX: &str = "old-";

/// Permissions that a new bundle takes over: none that raise rights.
const PERMISSIONS: u32 = 0o777;

/// How often packer looks again for a bundle that another update replaces at the same time.
const ROUNDS: usize = 10;

/// A bundle that is there.
pub(crate) struct Target {
    /// Its path without links, for messages.
    path: PathBuf,
    /// Its directory. All names are looked up below it: who may rename a directory above it could put a link in its place
    /// while packer fetches, and have the new bundle written elsewhere.
    dir: OwnedFd,
    /// The path of `dir`.
    place: PathBuf,
    /// Its name in the directory.
    name: OsString,
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
        let path = fs::canonicalize(path).map_err(failed)?;
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::NoBundle { path: show::path(&path) });
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(above, flags, Mode::empty());
        let dir = dir.map_err(|errno| failed(errno.into()))?;
        // proc_pid_fd(5): the link leads to the open directory, whatever its path is by now.
        let place = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        Ok(Target { name: name.to_owned(), path, dir, place, bundle })
    }

    /// As [`Target::open`], to replace it: no other update may be at work. Removes what an update left that was killed.
    ///
    /// # Errors
    ///
    /// If one is, the directory cannot be written, or the bundle cannot be renamed or kept.
    pub(crate) fn lock(path: &Path, keep: Keep) -> Result<Target> {
        for _ in 0..ROUNDS {
            let target = Target::open(path)?;
            let lock = FlockOperation::NonBlockingLockExclusive;
            // Some network file systems have no locks. Then two updates at once do the work twice.
            if rustix::fs::flock(&target.bundle.file, lock) == Err(Errno::WOULDBLOCK) {
                return Err(Error::UpdateRunning { path: show::path(path) });
            }
            // Another update may have replaced the file before it gave up its lock.
            if target.is_in_place() {
                target.check_mount()?;
                if keep == Keep::Old {
                    target.check_old()?;
                }
                target.output()?;
                target.remove_leftovers();
                return Ok(target);
            }
        }
        Err(Error::UpdateMoved { path: show::path(path) })
    }

    /// Whether this is the bundle at a path.
    pub(crate) fn is_at(bundle: &Bundle, path: &Path) -> bool {
        let inode = |meta: io::Result<fs::Metadata>| meta.ok().map(|it| (it.dev(), it.ino()));
        let there = inode(path.metadata());
        there.is_some() && there == inode(bundle.file.metadata())
    }

    /// Whether the name in the directory is still that of the open file.
    fn is_in_place(&self) -> bool {
        let there = rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        match (there, rustix::fs::fstat(&self.bundle.file)) {
            (Ok(there), Ok(own)) => (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino),
            _ => false,
        }
    }

    /// Checks that the file is no mount of its own: rename(2) would fail with EBUSY when all is fetched.
    fn check_mount(&self) -> Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        // Before Linux 5.8, nothing is said, and rename(2) fails.
        match rustix::fs::statx(&self.dir, &self.name, flags, StatxFlags::INO) {
            Ok(there) if there.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) => {
                Err(self.cannot_replace(Errno::BUSY.into()))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the old bundle can be kept, before anything is fetched.
    fn check_old(&self) -> Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let there = rustix::fs::statat(&self.dir, self.old_name(), flags);
        let is_directory = |mode| rustix::fs::FileType::from_raw_mode(mode).is_dir();
        match there {
            Ok(there) if is_directory(there.st_mode) => Err(self.not_kept(Errno::ISDIR.into())),
            Err(Errno::NAMETOOLONG) => Err(self.not_kept(Errno::NAMETOOLONG.into())),
            _ => Ok(()),
        }
    }

    /// Creates the file that will replace it.
    ///
    /// # Errors
    ///
    /// If the directory cannot be written.
    pub(crate) fn output(&self) -> Result<OutputFile> {
        OutputFile::create_replacement(&self.at(&self.name), &self.path, &self.prefix())
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
        let kept = match keep {
            Keep::Old => Some(self.keep().map_err(|error| self.not_kept(error))?),
            Keep::Nothing => None,
        };
        let check = || match self.is_in_place() {
            true => Ok(()),
            false => Err(Error::UpdateMoved { path: show::path(&self.path) }),
        };
        whole.publish_if(check).map_err(|error| self.failed(error))?;
        // Only now, so that an older one stays if the new bundle does not get its place.
        match kept.map(|kept| kept.persist(self.at(&self.old_name()))) {
            Some(Err(error)) => {
                let failed = self.not_kept(error.error);
                // Back to what it was.
                let back = error.path.persist(self.at(&self.name));
                Err(back.map_or_else(|error| self.cannot_replace(error.error), |()| failed))
            }
            _ => Ok(()),
        }
    }

    /// Gives the old bundle a second name, which is a temporary one.
    fn keep(&self) -> io::Result<TempPath> {
        let link = |name: &Path| -> io::Result<File> {
            let source = self.at(&self.name);
            if fs::hard_link(&source, name).is_err() {
                // Not all file systems have links, and the kernel may forbid them for files of others.
                fs::copy(&source, name)?;
            }
            File::open(name)
        };
        let prefix = format!("{}{OLD_PREFIX}", self.prefix());
        let file = Builder::new().prefix(&prefix).make_in(&self.place, link)?;
        file.as_file().sync_all()?;
        Ok(file.into_temp_path())
    }

    /// The path of a name in the directory.
    fn at(&self, name: &OsStr) -> PathBuf {
        self.place.join(name)
    }

    /// The name of the old bundle, if it is kept.
    fn old_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(OLD);
        name
    }

    /// The prefix of temporary names beside the bundle: they belong to its updates alone, so the next one may remove them.
    fn prefix(&self) -> String {
        let name = self.name.as_encoded_bytes();
        format!("{PREFIX}update-{}-", &Digest::of(name).to_string()[..16])
    }

    /// Removes what is left of an update that was killed. If it was killed before it could name the old bundle, this does it.
    fn remove_leftovers(&self) {
        let prefix = self.prefix();
        let Ok(entries) = fs::read_dir(&self.place) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.as_encoded_bytes().strip_prefix(prefix.as_bytes()) else {
                continue;
            };
            // An error may be ignored: the update works without.
            if rest.starts_with(OLD_PREFIX.as_bytes()) && self.is_old(&entry) {
                let _ = fs::rename(entry.path(), self.at(&self.old_name()));
            } else {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Whether a temporary name is that of a whole bundle, of which this one took the place.
    fn is_old(&self, entry: &fs::DirEntry) -> bool {
        entry.file_type().is_ok_and(|it| it.is_file())
            && Bundle::open(&entry.path()).is_ok_and(|old| old.header.id != self.bundle.header.id)
    }

    fn not_kept(&self, source: io::Error) -> Error {
        Error::OldNotKept { path: show::path(&self.path.with_file_name(self.old_name())), source }
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
