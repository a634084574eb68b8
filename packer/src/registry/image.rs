//! What is pushed: the blobs, then the manifests that refer to them.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::show;
use crate::source::bundle::Bundle;
use crate::trust::minisign;

use super::blob::{Blob, BlobDigest};
use super::layout::{self, Layout};
use super::manifest::{self, BUNDLE, Descriptor, IMAGE_MANIFEST, Manifest, SIGNATURE};

/// The endings of signatures: those of OpenBSD's signify and of minisign.
const SIGNATURES: [&str; 2] = [minisign::ENDING, ".sig"];

/// The most bytes of a signature.
pub(crate) const SIGNATURE_LEN: u64 = 1 << 20;

/// How deep indexes may be in indexes. Nobody needs more than one.
const DEPTH: u32 = 4;

/// An image or artifact to push.
pub(crate) struct Image {
    pub(crate) blobs: Vec<Blob>,
    /// The manifests that an index lists: types and bytes. Each comes behind those that it refers to.
    pub(crate) parts: Vec<(String, Vec<u8>)>,
    /// The manifest that gets the tag.
    pub(crate) manifest: (String, Vec<u8>),
    /// The file with it, for messages.
    pub(crate) path: String,
}

impl Image {
    /// Reads the manifests of the image in a layout.
    ///
    /// # Errors
    ///
    /// If there is not exactly one, or something is missing.
    pub(crate) fn of_layout(path: &Path) -> Result<Image> {
        let layout = Layout::open(path)?;
        let mut parts =
            Parts { layout, known: HashSet::new(), blobs: Vec::new(), manifests: Vec::new() };
        let manifest = parts.add(&parts.layout.image()?, DEPTH)?;
        let Parts { layout, blobs, manifests, .. } = parts;
        Ok(Image { blobs, parts: manifests, manifest, path: show::path(layout.path()) })
    }

    /// Describes a bundle, with the signature beside it if there is one.
    ///
    /// # Errors
    ///
    /// If the file is not a bundle, or is damaged.
    pub(crate) fn of_bundle(path: &Path) -> Result<Image> {
        let bundle = Bundle::open(path)?;
        let blob = |path: &Path, file: File| {
            Blob::file(file).map_err(|error| Error::io("read", path, error))
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut files = vec![(BUNDLE, name.unwrap_or_default(), blob(path, bundle.file)?)];
        for ending in SIGNATURES {
            let signature = minisign::beside(path, ending);
            let file = match File::open(&signature) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("read", &signature, error)),
            };
            let blob = blob(&signature, file)?;
            if blob.len > SIGNATURE_LEN {
                return Err(Error::NoSignature { path: show::path(&signature) });
            }
            let title = format!("{}{ending}", files[0].1);
            files.push((SIGNATURE, title, blob));
        }
        let manifest = Manifest::of_bundle(&bundle.header.id.to_string(), &files);
        // The form of the manifest has nothing that cannot be written.
        let bytes = serde_json::to_vec(&manifest).unwrap_or_default();
        let blobs = files.into_iter().map(|(_, _, blob)| blob).chain([manifest::empty()]).collect();
        let manifest = (IMAGE_MANIFEST.to_owned(), bytes);
        Ok(Image { blobs, parts: Vec::new(), manifest, path: bundle.path })
    }

    /// Checks a blob before it is sent: registries say only that a digest is wrong.
    ///
    /// # Errors
    ///
    /// If it has other bytes than its digest says.
    pub(crate) fn check(&self, blob: &Blob) -> Result<()> {
        let path = || self.path.clone();
        match blob.compute() {
            Ok(digest) if digest == blob.digest => Ok(()),
            Ok(_) => Err(Error::DamagedBlob { path: path(), digest: blob.digest.to_string() }),
            Err(source) => Err(Error::Io { action: "read", path: path(), source }),
        }
    }
}

/// What a layout's image consists of.
struct Parts {
    layout: Layout,
    known: HashSet<BlobDigest>,
    blobs: Vec<Blob>,
    manifests: Vec<(String, Vec<u8>)>,
}

impl Parts {
    /// Reads a manifest, and adds all that it refers to.
    fn add(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(String, Vec<u8>)> {
        let media_type = &descriptor.media_type;
        super::check_type(media_type)?;
        let bytes = self.layout.manifest(descriptor)?;
        let wrong = |reason: &str| layout::no_layout(self.layout.path(), reason);
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
        let depth = depth.checked_sub(1).ok_or_else(|| wrong("its indexes are nested too deep"))?;
        if super::is_index(media_type) {
            for child in &manifest.manifests {
                if self.known.insert(child.digest) {
                    let part = self.add(child, depth)?;
                    self.manifests.push(part);
                }
            }
        }
        for part in manifest.config.iter().chain(&manifest.layers) {
            if self.known.insert(part.digest) {
                self.blobs.push(self.layout.blob(part)?);
            }
        }
        Ok((media_type.clone(), bytes))
    }
}

/// The path of a bundle's signature, if its layer has a name that ends as signatures do.
pub(crate) fn signature_path(bundle: &Path, layer: &Descriptor) -> Option<PathBuf> {
    let title = layer.title()?;
    let ending = SIGNATURES.into_iter().find(|ending| title.ends_with(ending))?;
    Some(minisign::beside(bundle, ending))
}
