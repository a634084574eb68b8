//! Where an image layout is written: a tar file, or a directory. Nothing has its final name until all is written.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use ::tar::EntryType;
use format::{Digest, Hasher};
use runtime::system::call::FileSizeErrors;
use rustix::fs::{Access, CWD, RenameFlags};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::output::tar;
use crate::show;

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// The directory of the blobs.
const BLOBS: &str = "blobs/sha256";

/// A blob: what a descriptor says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
}

/// A layout that is not published yet. Dropping it removes it.
pub(super) enum Place {
    Tar(OutputFile),
    Directory {
        directory: TempDir,
        path: PathBuf,
        /// While it exists, exceeding the file size limit is an error instead of the signal SIGXFSZ.
        _errors: FileSizeErrors,
    },
}

/// A blob that is being written: its name is known at its end.
pub(super) struct Writer {
    hasher: Hasher,
    len: u64,
    target: Target,
}

enum Target {
    /// The position of its header.
    Tar(u64),
    File(BufWriter<File>, PathBuf),
}

impl Place {
    /// Creates a layout for `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be written there, or something is there that is no layout.
    pub(super) fn create(path: &Path) -> Result<Place> {
        if path.extension().is_some_and(|extension| extension == "tar") {
            let mut output = OutputFile::create_data(path)?;
            for directory in ["blobs/", "blobs/sha256/"] {
                output.append(&tar::entry(
                    EntryType::Directory,
                    directory.as_bytes(),
                    b"",
                    0o755,
                    0,
                ))?;
            }
            return Ok(Place::Tar(output));
        }
        let failed = |error| Error::io("write", path, error);
        // An empty directory is one that somebody made for it.
        let is_free = match fs::read_dir(path) {
            Ok(mut entries) => path.join("oci-layout").is_file() || entries.next().is_none(),
            Err(_) => path.symlink_metadata().is_err(),
        };
        if !is_free {
            return Err(Error::LayoutTaken { path: show::path(path) });
        }
        let above = match path.parent() {
            Some(above) if above != Path::new("") => above,
            _ => Path::new("."),
        };
        // Asked first, since tempfile's error ends with a name that nobody gave.
        rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|errno| failed(errno.into()))?;
        let directory =
            tempfile::Builder::new().prefix(".packer-").tempdir_in(above).map_err(failed)?;
        fs::create_dir_all(directory.path().join(BLOBS)).map_err(failed)?;
        let path = path.to_owned();
        Ok(Place::Directory { directory, path, _errors: FileSizeErrors::begin() })
    }

    /// Begins a blob.
    pub(super) fn begin(&mut self) -> Result<Writer> {
        let target = match self {
            Place::Tar(output) => {
                let at = output.len();
                output.append(&[0; BLOCK])?;
                Target::Tar(at)
            }
            Place::Directory { directory, path, .. } => {
                let name = directory.path().join("blob");
                let file = File::create(&name).map_err(|error| Error::io("write", path, error))?;
                Target::File(BufWriter::new(file), name)
            }
        };
        Ok(Writer { hasher: Hasher::new(), len: 0, target })
    }

    /// Appends to a blob.
    pub(super) fn append(&mut self, writer: &mut Writer, bytes: &[u8]) -> Result<()> {
        writer.hasher.update(bytes);
        writer.len += bytes.len() as u64;
        match (self, &mut writer.target) {
            (Place::Tar(output), _) => output.append(bytes),
            (Place::Directory { path, .. }, Target::File(file, _)) => {
                file.write_all(bytes).map_err(|error| Error::io("write", path, error))
            }
            (Place::Directory { .. }, Target::Tar(_)) => Ok(()),
        }
    }

    /// Ends a blob.
    pub(super) fn end(&mut self, writer: Writer) -> Result<Blob> {
        let Writer { hasher, len, target } = writer;
        let digest: Digest = hasher.finish();
        let name = format!("{BLOBS}/{digest}");
        match (self, target) {
            (Place::Tar(output), Target::Tar(at)) => {
                let header = tar::entry(EntryType::Regular, name.as_bytes(), b"", 0o644, len);
                output.write_at(&header, at)?;
                pad(output, len)?;
            }
            (Place::Directory { directory, path, .. }, Target::File(file, temporary)) => {
                let failed = |error| Error::io("write", path, error);
                let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
                file.sync_all().map_err(failed)?;
                fs::rename(temporary, directory.path().join(name)).map_err(failed)?;
            }
            _ => {}
        }
        Ok(Blob { digest, len })
    }

    /// Writes a whole blob.
    pub(super) fn blob(&mut self, bytes: &[u8]) -> Result<Blob> {
        let mut writer = self.begin()?;
        self.append(&mut writer, bytes)?;
        self.end(writer)
    }

    /// Writes a file beside the blobs.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Place::Tar(output) => {
                let len = bytes.len() as u64;
                output.append(&tar::entry(EntryType::Regular, name.as_bytes(), b"", 0o644, len))?;
                output.append(bytes)?;
                pad(output, len)
            }
            Place::Directory { directory, path, .. } => {
                fs::write(directory.path().join(name), bytes)
                    .map_err(|error| Error::io("write", path, error))
            }
        }
    }

    /// Gives the layout its name; what was there before is removed.
    ///
    /// # Errors
    ///
    /// If it cannot be renamed; then what was there is left.
    pub(super) fn publish(self) -> Result<()> {
        match self {
            Place::Tar(mut output) => {
                // Two empty blocks end an archive.
                output.append(&[0; 2 * BLOCK])?;
                output.publish()
            }
            Place::Directory { directory, path, .. } => {
                let failed = |error| Error::io("write", &path, error);
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(directory.path(), permissions).map_err(failed)?;
                let exchange =
                    |flags| rustix::fs::renameat_with(CWD, directory.path(), CWD, &path, flags);
                match exchange(RenameFlags::EXCHANGE) {
                    // The old one is removed with the temporary name.
                    Ok(()) => drop(directory),
                    Err(_) => {
                        exchange(RenameFlags::empty()).map_err(|errno| failed(errno.into()))?;
                        // It has another name now.
                        let _ = directory.keep();
                    }
                }
                Ok(())
            }
        }
    }
}

/// Fills up the last block of a tar entry.
fn pad(output: &mut OutputFile, len: u64) -> Result<()> {
    let rest = len.wrapping_neg() % BLOCK as u64;
    output.append(&vec![0; usize::try_from(rest).unwrap_or(0)])
}
