//! A file that is being written: without a name where that is possible, so that nothing is left if packer is killed.

use std::fs::{File, Permissions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile, TempPath};

/// The prefix of temporary names.
pub(crate) const PREFIX: &str = ".packer-";

/// A file that has no name yet, or a temporary one. Dropping it removes it.
///
/// Where the file system supports `O_TMPFILE`, the file has no name: even a signal that ends packer leaves nothing behind.
/// Elsewhere it has a temporary name, and such a signal leaves the file behind.
pub(crate) struct Unfinished {
    pub(crate) file: File,
    /// Its temporary name, if it has one.
    name: Option<TempPath>,
    dir: PathBuf,
    permissions: u32,
    prefix: String,
}

impl Unfinished {
    /// Creates a file in a directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be written.
    pub(crate) fn create(dir: &Path, permissions: u32) -> io::Result<Unfinished> {
        Unfinished::with_prefix(dir, permissions, PREFIX)
    }

    /// As [`Unfinished::create`], with another prefix for a temporary name.
    ///
    /// # Errors
    ///
    /// As [`Unfinished::create`].
    pub(crate) fn with_prefix(
        dir: &Path,
        permissions: u32,
        prefix: &str,
    ) -> io::Result<Unfinished> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let (file, name) = match rustix::fs::open(dir, flags, Mode::from_raw_mode(permissions)) {
            Ok(fd) => (fd.into(), None),
            // The file system or the kernel does not support O_TMPFILE.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let (file, name) = named(dir, permissions, prefix)?.into_parts();
                (file, Some(name))
            }
            Err(errno) => return Err(errno.into()),
        };
        Ok(Unfinished { file, name, dir: dir.into(), permissions, prefix: prefix.to_owned() })
    }

    /// Gives it a temporary name and closes it: exec(2) fails with ETXTBSY while a descriptor can write to a program.
    ///
    /// # Errors
    ///
    /// If it cannot be linked or copied.
    pub(crate) fn close(mut self) -> io::Result<TempPath> {
        match self.name.take() {
            Some(name) => Ok(name),
            // Linking needs /proc; without it, copy.
            None => link(&self.file, &self.dir, &self.prefix).or_else(|_| self.copy()),
        }
    }

    /// Copies the file, which has no name, to one with a temporary name.
    fn copy(&mut self) -> io::Result<TempPath> {
        let permissions = self.file.metadata()?.permissions();
        let (mut file, name) = named(&self.dir, self.permissions, &self.prefix)?.into_parts();
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.file, &mut file)?;
        file.set_permissions(permissions)?;
        file.sync_all()?;
        Ok(name)
    }
}

/// Creates a file with a temporary name.
fn named(dir: &Path, permissions: u32, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(prefix).permissions(Permissions::from_mode(permissions)).tempfile_in(dir)
}

/// Gives a file without a name a temporary one; open(2) shows this use of `O_TMPFILE` and /proc.
fn link(file: &File, dir: &Path, prefix: &str) -> io::Result<TempPath> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |name: &Path| -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, &source, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    };
    Ok(Builder::new().prefix(prefix).make_in(dir, link)?.into_temp_path())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn copy_stands_in_for_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut unfinished = Unfinished::create(dir.path(), 0o755).unwrap();
        unfinished.file.write_all(b"payload").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let name = unfinished.copy().unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"payload");
        let name = unfinished.close().unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"payload");
    }
}
