//! Reads an OCI image layout: a directory, or a tar archive of one.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tar::Archive;

use crate::error::{Error, Result};
use crate::show;

use super::MANIFEST_LEN;
use super::blob::{Blob, BlobDigest};
use super::manifest::{Descriptor, Manifest};

/// The annotation with an image's name in the layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The version of the layout, which has been the same from the first.
const VERSION: &str = "1.0.0";

/// Where the files of a layout are.
enum Files {
    Directory(PathBuf),
    /// Offsets and lengths of the files in an archive.
    Tar(File, HashMap<Vec<u8>, (u64, u64)>),
}

/// An image layout.
pub(crate) struct Layout {
    path: PathBuf,
    files: Files,
}

impl Layout {
    /// Opens a layout.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn open(path: &Path) -> Result<Layout> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let metadata = path.metadata().map_err(|error| Error::io("open", path, error))?;
        let files = if metadata.is_dir() {
            Files::Directory(path.to_owned())
        } else if metadata.is_file() {
            tar(path)?
        } else {
            return Err(no_layout(path, "it is neither a directory nor a file"));
        };
        let layout = Layout { path: path.to_owned(), files };
        let marker: Marker = layout.json("oci-layout")?;
        if marker.image_layout_version != VERSION {
            return Err(no_layout(path, "its version is unknown"));
        }
        Ok(layout)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The one image of the layout.
    ///
    /// # Errors
    ///
    /// If there are none or several.
    pub(crate) fn image(&self) -> Result<Descriptor> {
        let index: Manifest = self.json("index.json")?;
        match <[Descriptor; 1]>::try_from(index.manifests) {
            Ok([image]) => Ok(image),
            Err(images) if images.is_empty() => Err(no_layout(&self.path, "it has no image")),
            Err(images) => {
                let names = images.iter().map(|image| image.annotations.get(REF_NAME));
                let names: Vec<&str> = names.flatten().map(String::as_str).collect();
                Err(Error::SeveralImages {
                    path: show::path(&self.path),
                    names: show::text(&names.join(", ")),
                })
            }
        }
    }

    /// Reads a manifest and checks its digest.
    ///
    /// # Errors
    ///
    /// If it is not there, or damaged.
    pub(crate) fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.read(&name(descriptor.digest))?;
        if BlobDigest::of(&bytes) == descriptor.digest {
            Ok(bytes)
        } else {
            Err(self.damaged(descriptor))
        }
    }

    /// Finds a blob. Its bytes are not read yet.
    ///
    /// # Errors
    ///
    /// If it is not there, or has another length.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Blob> {
        let (file, start, len) = self.find(&name(descriptor.digest))?;
        if len != descriptor.size {
            return Err(self.damaged(descriptor));
        }
        Ok(Blob::part(file, start, len, descriptor.digest))
    }

    fn damaged(&self, descriptor: &Descriptor) -> Error {
        Error::DamagedBlob { path: show::path(&self.path), digest: descriptor.digest.to_string() }
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &'static str) -> Result<T> {
        let bytes = self.read(name)?;
        serde_json::from_slice(&bytes).map_err(|_| no_layout(&self.path, name))
    }

    /// Reads a small file.
    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let (file, start, len) = self.find(name)?;
        if len > MANIFEST_LEN {
            return Err(no_layout(&self.path, "a manifest is too large"));
        }
        let mut bytes = Vec::new();
        let blob = Blob::part(file, start, len, BlobDigest::of(b""));
        let read = blob.reader(0, len).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("read", &self.path, error))?;
        Ok(bytes)
    }

    /// Opens a file; returns where it begins and its length.
    fn find(&self, name: &str) -> Result<(File, u64, u64)> {
        match &self.files {
            Files::Directory(directory) => {
                let path = directory.join(name);
                let opened = path.metadata().and_then(|metadata| {
                    // Opening a pipe would block.
                    if !metadata.is_file() {
                        return Err(io::ErrorKind::InvalidInput.into());
                    }
                    Ok((File::open(&path)?, 0, metadata.len()))
                });
                opened.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => self.missing(name),
                    _ => Error::io("read", &path, error),
                })
            }
            Files::Tar(file, names) => {
                let &(start, len) = names.get(name.as_bytes()).ok_or_else(|| self.missing(name))?;
                let file =
                    file.try_clone().map_err(|error| Error::io("read", &self.path, error))?;
                Ok((file, start, len))
            }
        }
    }

    fn missing(&self, name: &str) -> Error {
        let reason = format!("it has no file {name}");
        no_layout(&self.path, &reason)
    }
}

/// Makes the error for what is no layout.
pub(crate) fn no_layout(path: &Path, reason: &str) -> Error {
    Error::NoLayout { path: show::path(path), reason: reason.to_owned() }
}

fn name(digest: BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.digits())
}

/// Finds the files of an archive, which is not unpacked.
fn tar(path: &Path) -> Result<Files> {
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let read = || -> io::Result<HashMap<Vec<u8>, (u64, u64)>> {
        let mut names = HashMap::new();
        for entry in Archive::new(&file).entries_with_seek()? {
            let entry = entry?;
            if entry.header().entry_type().is_file() {
                let name = entry.path_bytes();
                let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
                names.insert(name, (entry.raw_file_position(), entry.size()));
            }
        }
        Ok(names)
    };
    let names = read().map_err(|_| no_layout(path, "it is not a tar archive"))?;
    Ok(Files::Tar(file, names))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BLOB: &str =
        "blobs/sha256/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn descriptor(size: u64) -> Descriptor {
        let digest = BlobDigest::of(b"abc");
        Descriptor { media_type: String::new(), digest, size, annotations: Default::default() }
    }

    fn layout(index: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(dir.path().join("index.json"), index).unwrap();
        fs::write(dir.path().join(BLOB), "abc").unwrap();
        dir
    }

    fn one() -> String {
        let image = serde_json::to_string(&descriptor(3)).unwrap();
        format!(r#"{{"schemaVersion":2,"manifests":[{image}]}}"#)
    }

    #[test]
    fn directory_and_archive_are_the_same() {
        let dir = layout(&one());
        let tar = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(tar.as_file());
        builder.append_dir_all(".", dir.path()).unwrap();
        builder.finish().unwrap();
        for path in [dir.path(), tar.path()] {
            let layout = Layout::open(path).unwrap();
            let image = layout.image().unwrap();
            assert_eq!(layout.manifest(&image).unwrap(), b"abc");
            assert_eq!(layout.blob(&image).unwrap().compute().unwrap(), image.digest);
            assert!(matches!(layout.blob(&descriptor(4)), Err(Error::DamagedBlob { .. })));
        }
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let image = serde_json::to_string(&descriptor(3)).unwrap();
        let two = format!(r#"{{"schemaVersion":2,"manifests":[{image},{image}]}}"#);
        let dir = layout(&two);
        let open = |path: &Path| Layout::open(path).and_then(|layout| layout.image()).unwrap_err();
        assert!(matches!(open(dir.path()), Error::SeveralImages { .. }));
        fs::write(dir.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        assert_eq!(open(dir.path()).to_string().rsplit(": ").next(), Some("it has no image"));
        fs::remove_file(dir.path().join("oci-layout")).unwrap();
        assert_eq!(
            open(dir.path()).to_string().rsplit(": ").next(),
            Some("it has no file oci-layout")
        );
        assert!(matches!(open(&dir.path().join("index.json")), Error::NoLayout { .. }));
    }
}
