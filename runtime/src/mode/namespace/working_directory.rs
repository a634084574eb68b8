//! The caller's working directory, to come back to when mounts have changed what its path means.

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
            // Neither is there if somebody removed it, or may not be looked up any more.
            path: rustix::process::getcwd(Vec::new()).ok(),
            directory: file::open(CWD, c".", flags, Permissions::empty()).ok(),
        }
    }

    pub(crate) fn restore(&self) -> Result<(), Refusal> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let is_same = |path: &CString| {
            rustix::process::chdir(&**path)?;
            // These are other directories now, on purpose.
            if matches!(path.to_bytes(), b"/" | b"/nix") || path.to_bytes().starts_with(b"/nix/") {
                return Ok(true);
            }
            let (here, there) =
                (rustix::fs::statat(CWD, c".", AtFlags::empty())?, rustix::fs::fstat(directory)?);
            Ok::<bool, Errno>((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
        };
        match self.path.as_ref().map(is_same) {
            Some(Ok(true)) => Ok(()),
            // Its path does not lead there any more; the directory itself is still right.
            _ => rustix::process::fchdir(directory)
                .map_err(refused(Step::Mount, "the working directory")),
        }
    }
}
