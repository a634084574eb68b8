//! The output file: written without a name or with a temporary one, then synced and renamed into place.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use runtime::system::call::FileSizeErrors;

use crate::error::{Error, Result};
use crate::show;
use crate::source::reference::{Depth, Hashes, Scanner};
use crate::unfinished::Unfinished;

pub(crate) use crate::unfinished::PREFIX;

/// Permissions of a new program before the umask applies, as a linker sets them.
const PROGRAM: u32 = 0o777;

/// Permissions of any other new file.
const DATA: u32 = 0o666;

/// Bytes read at once.
const BUFFER_LEN: usize = 1 << 20;

/// An output file that is not published yet. Dropping it removes it.
pub(crate) struct OutputFile {
    unfinished: Unfinished,
    /// Its path, for messages.
    path: PathBuf,
    /// Where it is put.
    place: PathBuf,
    len: u64,
    permissions: u32,
    /// While it exists, exceeding the file size limit is an error instead of the signal SIGXFSZ.
    _errors: FileSizeErrors,
}

impl OutputFile {
    /// Creates a program for `path`. It reserves `head` bytes at the start for [`OutputFile::write_at`].
    ///
    /// # Errors
    ///
    /// If the directory cannot be written, or `path` exists and is not a regular file.
    pub(crate) fn create(path: &Path, head: u64) -> Result<OutputFile> {
        OutputFile::with(path, path, head, PROGRAM, PREFIX)
    }

    /// Creates a file for `path` that is no program.
    ///
    /// # Errors
    ///
    /// As [`OutputFile::create`].
    pub(crate) fn create_data(path: &Path) -> Result<OutputFile> {
        OutputFile::with(path, path, 0, DATA, PREFIX)
    }

    /// Creates a file that replaces the one at `place`, which messages call `path`; who calls this sets its permissions.
    /// `prefix` is that of its temporary name.
    ///
    /// # Errors
    ///
    /// As [`OutputFile::create`].
    pub(crate) fn create_replacement(
        place: &Path,
        path: &Path,
        prefix: &str,
    ) -> Result<OutputFile> {
        OutputFile::with(place, path, 0, DATA, prefix)
    }

    fn with(
        place: &Path,
        path: &Path,
        head: u64,
        permissions: u32,
        prefix: &str,
    ) -> Result<OutputFile> {
        // metadata() follows links, so a link to a device, such as /dev/stdout, is refused too.
        if place.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(Error::OutputTaken { path: show::path(path) });
        }
        if place.file_name().is_none() {
            return Err(Error::OutputTaken { path: show::path(path) });
        }
        let unfinished = Unfinished::with_prefix(dir(place), permissions, prefix);
        let unfinished = unfinished.map_err(|error| Error::io("write", path, error))?;
        let mut output = OutputFile {
            unfinished,
            path: path.into(),
            place: place.into(),
            len: head,
            permissions,
            _errors: FileSizeErrors::begin(),
        };
        output
            .unfinished
            .file
            .seek(SeekFrom::Start(head))
            .map_err(|error| output.failed("write", error))?;
        Ok(output)
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// If they cannot be written, for example because the disk is full.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.unfinished.file.write_all(bytes).map_err(|error| self.failed("write", error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Bytes of the file so far, including the reserved ones.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where it will be, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for reading what was written.
    pub(crate) fn file(&self) -> &File {
        &self.unfinished.file
    }

    /// Writes at a place, over bytes that are there or behind them.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub(crate) fn write_at(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        self.unfinished.file.write_all_at(bytes, at).map_err(|error| self.failed("write", error))
    }

    /// Checks that the file contains none of these hashes as text.
    ///
    /// # Errors
    ///
    /// If it contains one: Nix would take it for a reference.
    pub(crate) fn check(&mut self, hashes: &Hashes) -> Result<()> {
        let mut scanner = Scanner::new(hashes, Depth::Plain);
        let mut buffer = vec![0; BUFFER_LEN];
        let mut clean = true;
        self.unfinished
            .file
            .seek(SeekFrom::Start(0))
            .map_err(|error| self.failed("read", error))?;
        loop {
            match self.unfinished.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => scanner.feed(&buffer[..count], |_| clean = false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        if clean { Ok(()) } else { Err(Error::HashInOutput) }
    }

    /// Gives the file its final name; replaces an existing file.
    ///
    /// # Errors
    ///
    /// If the file cannot be synced or renamed.
    pub(crate) fn publish(self) -> Result<()> {
        self.publish_if(|| Ok(()))
    }

    /// As [`OutputFile::publish`], if `check` permits it directly before.
    ///
    /// # Errors
    ///
    /// As [`OutputFile::publish`], or that of `check`.
    pub(crate) fn publish_if(self, check: impl FnOnce() -> Result<()>) -> Result<()> {
        let failed = |error| Error::io("write", &self.path, error);
        // Who makes a program can run it, whatever the umask.
        let needed = self.permissions & 0o100;
        let permissions =
            self.unfinished.file.metadata().map_err(failed)?.permissions().mode() | needed;
        self.unfinished
            .file
            .set_permissions(Permissions::from_mode(permissions))
            .map_err(failed)?;
        self.unfinished.file.sync_all().map_err(failed)?;
        let name = self.unfinished.close().map_err(failed)?;
        check()?;
        name.persist(&self.place).map_err(|error| failed(error.error))?;
        // An error may be ignored: the content is on the disk. After a power loss, the name refers to the old or
        // the new file; both are complete.
        let _ = File::open(dir(&self.place)).and_then(|dir| dir.sync_all());
        Ok(())
    }

    fn failed(&self, action: &'static str, error: io::Error) -> Error {
        Error::io(action, &self.path, error)
    }
}

/// The directory of a file.
pub(crate) fn dir(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use format::StorePath;

    use super::*;
    use crate::source::store::tests::GLIBC;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn hashes() -> Hashes {
        Hashes::new([StorePath::parse(GLIBC.as_bytes()).unwrap().hash()])
    }

    #[test]
    fn output_appears_whole_and_executable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("markov");
        fs::write(&path, "old").unwrap();
        let mut output = OutputFile::create(&path, 4).unwrap();
        output.append(b"payload").unwrap();
        output.write_at(b"stub", 0).unwrap();
        assert_eq!(output.len(), 11);
        output.check(&hashes()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"stubpayload");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o100, 0o100);
        assert_eq!(names(dir.path()), ["markov"]);
    }

    #[test]
    fn dropped_output_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = OutputFile::create(&dir.path().join("markov"), 0).unwrap();
        output.append(b"payload").unwrap();
        drop(output);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null"), Path::new("/"), Path::new("..")] {
            assert!(matches!(OutputFile::create(path, 0), Err(Error::OutputTaken { .. })));
        }
    }

    #[test]
    fn hash_as_text_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = OutputFile::create(&dir.path().join("markov"), 2).unwrap();
        output.append(&vec![0; BUFFER_LEN - 20]).unwrap();
        output.append(GLIBC.as_bytes()).unwrap();
        assert!(matches!(output.check(&hashes()), Err(Error::HashInOutput)));
    }
}
