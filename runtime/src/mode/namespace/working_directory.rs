//! Returns to the caller's working directory after mounts have changed what its path means.

use alloc::ffi::CString;
use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use super::mount::refused;
use crate::error::refusal::{Refusal, Step};
use crate::system::file::{self, Permissions};

/// The caller's working directory.
pub(crate) struct WorkingDirectory {
    path: Option<CString>,
    directory: Option<OwnedFd>,
}

impl WorkingDirectory {
    pub(crate) fn open() -> WorkingDirectory {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        WorkingDirectory {
            // Each is `None` if the directory was removed, or is not accessible any more.
            path: rustix::process::getcwd(Vec::new()).ok(),
            directory: file::open(CWD, c".", flags, Permissions::empty()).ok(),
        }
    }

    pub(crate) fn restore(&self) -> Result<(), Refusal> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let is_same = |path: &CString| {
            rustix::process::chdir(&**path)?;
            // The new mounts replace these directories on purpose.
            if matches!(path.to_bytes(), b"/" | b"/nix") || path.to_bytes().starts_with(b"/nix/") {
                return Ok(true);
            }
            let (here, there) =
                (rustix::fs::statat(CWD, c".", AtFlags::empty())?, rustix::fs::fstat(directory)?);
            Ok::<bool, Errno>((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
        };
        match self.path.as_ref().map(is_same) {
            Some(Ok(true)) => Ok(()),
            // The path leads to another directory now, but the open descriptor is still right.
            _ => rustix::process::fchdir(directory)
                .map_err(refused(Step::Mount, "the working directory")),
        }
    }
}
