//! The directory for the user's data, and what is done with files in it.

use alloc::ffi::CString;
use core::ffi::CStr;

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::new_file::Content;
use super::record::Path;
use super::text::{copied, is_plain, joined};
use crate::error::{DesktopError, Error};
use crate::settings::variable;
use crate::system::call;
use crate::system::file::{self, Permissions};

/// The directory for the user's data: `$XDG_DATA_HOME`, else `~/.local/share`.
///
/// Links in it are followed: people link their `applications` to elsewhere.
pub(super) struct DataHome {
    /// Its absolute path.
    pub(super) path: Path,
    directory: OwnedFd,
}

impl DataHome {
    /// Opens the directory; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If no variable names one, or it cannot be used.
    pub(super) fn open(environment: &[&CStr]) -> Result<Option<DataHome>, Error> {
        let (path, _) = path(environment)?;
        match open(CWD, path) {
            Ok(directory) => Ok(Some(DataHome { path, directory })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(file_error("open", path, errno)),
        }
    }

    /// Opens the directory; creates it if it is absent.
    ///
    /// # Errors
    ///
    /// If no variable names one, it cannot be used, or the process is root's and the directory another user's.
    pub(super) fn create(environment: &[&CStr]) -> Result<DataHome, Error> {
        let (path, base) = path(environment)?;
        if let Ok(found) = rustix::fs::stat(&*c_string(base))
            && call::is_root()
            && found.st_uid != call::user()
        {
            return Err(DesktopError::ForeignDataHome(base.into(), found.st_uid).into());
        }
        for directory in parents(path).skip(1).chain([path]) {
            make(CWD, directory, 0o700).map_err(|errno| file_error("create", directory, errno))?;
        }
        let directory = open(CWD, path).map_err(|errno| file_error("open", path, errno))?;
        Ok(DataHome { path, directory })
    }

    /// Opens a directory in it.
    pub(super) fn open_directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        open(self.directory.as_fd(), path)
    }

    /// Whether something has this name, also a link that leads nowhere.
    pub(super) fn exists(&self, path: &[u8]) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::statat(&self.directory, &*c_string(path), flags).is_ok()
    }

    /// Creates a directory, which may exist.
    pub(super) fn make_directory(&self, path: &[u8]) -> Result<(), Error> {
        make(self.directory.as_fd(), path, 0o755).map_err(|errno| self.error("create", path, errno))
    }

    /// Creates a file or a link, which must not exist.
    pub(super) fn create_file(&self, path: &[u8], content: Content) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (at, name) = (self.directory.as_fd(), c_string(path));
        let result = match content {
            Content::Bytes(bytes) => {
                file::open(at, &name, flags, Permissions::from_raw_mode(0o644))
                    .and_then(|file| file::write_at(file.as_fd(), bytes, 0))
            }
            Content::Link(target) => rustix::fs::symlinkat(&*c_string(target), at, &*name),
        };
        result.map_err(|errno| self.error("write", path, errno))
    }

    /// Gives a file another name, which must not exist.
    pub(super) fn rename_new(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        match file::rename_new(&self.directory, &c_string(from), &c_string(to)) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(self.taken(to)),
            result => result.map_err(|errno| self.error("create", to, errno)),
        }
    }

    /// Gives a file another name, in place of the file that has it.
    pub(super) fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let (at, from) = (&self.directory, c_string(from));
        rustix::fs::renameat(at, &*from, at, &*c_string(to))
            .map_err(|errno| self.error("create", to, errno))
    }

    /// Removes a file, which need not exist.
    pub(super) fn unlink(&self, path: &[u8]) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.directory, &*c_string(path), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(self.error("remove", path, errno)),
        }
    }

    /// Removes a directory, unless it has files or does not exist.
    pub(super) fn remove_empty(&self, path: &[u8]) {
        let _ = rustix::fs::unlinkat(&self.directory, &*c_string(path), AtFlags::REMOVEDIR);
    }

    /// Sets the time of a directory, by which desktops notice new icons.
    pub(super) fn touch(&self, path: &[u8]) {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        // Without it, they notice at their next start.
        let _ = rustix::fs::utimensat(&self.directory, &*c_string(path), &times, AtFlags::empty());
    }

    /// Returns the error for a file that another program wrote.
    pub(super) fn taken(&self, path: &[u8]) -> Error {
        DesktopError::Taken(self.absolute(path).into()).into()
    }

    /// Returns the error of an operation on a file.
    #[inline(never)]
    pub(super) fn error(&self, operation: &'static str, path: &[u8], errno: Errno) -> Error {
        file_error(operation, self.absolute(path), errno)
    }

    /// Returns the absolute path of a path below the directory.
    pub(super) fn absolute(&self, path: &[u8]) -> Path {
        joined(&[self.path, b"/", path])
    }
}

/// Returns the path of the directory, and the variable's directory.
fn path(environment: &[&CStr]) -> Result<(Path, Path), Error> {
    // The specification says that relative paths are to be ignored.
    let absolute = |name| variable(environment, name).filter(|path| path.starts_with(b"/"));
    let (base, below) = match absolute("XDG_DATA_HOME") {
        Some(base) => (base, &b""[..]),
        None => (absolute("HOME").ok_or(DesktopError::NoDataHome)?, &b"/.local/share"[..]),
    };
    let base = fit(base)?;
    let base = base.strip_suffix(b"/").unwrap_or(base);
    Ok((joined(&[base, below]), copied(base)))
}

/// Returns a path that a desktop entry can name.
///
/// # Errors
///
/// If it is another one.
pub(super) fn fit(path: &[u8]) -> Result<Path, Error> {
    if is_plain(path) {
        return Ok(copied(path));
    }
    let reason = "it is not UTF-8, or has control characters";
    Err(DesktopError::UnfitPath(path.into(), reason).into())
}

/// Returns the directories above a path, from the top down.
pub(super) fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parent = |(at, byte): (usize, &u8)| (*byte == b'/').then_some(&path[..at]);
    path.iter().enumerate().filter_map(parent)
}

fn open(at: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    file::open(at, &c_string(path), flags, Permissions::empty())
}

/// Makes a directory, which may exist.
fn make(at: BorrowedFd<'_>, path: &[u8], mode: u32) -> Result<(), Errno> {
    match rustix::fs::mkdirat(at, &*c_string(path), Permissions::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// Converts a path; none has a NUL.
#[inline(never)]
fn c_string(path: &[u8]) -> CString {
    CString::new(path).unwrap_or_default()
}

#[inline(never)]
fn file_error(operation: &'static str, path: &[u8], errno: Errno) -> Error {
    DesktopError::File { operation, object: path.into(), errno }.into()
}
