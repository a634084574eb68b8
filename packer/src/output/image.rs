//! Writes an OCI image: its layers, its configuration and its manifest, in an image layout.
//!
//! The source of all names here is the [OCI image specification](https://github.com/opencontainers/image-spec) 1.1.

mod documents;
mod layer;
mod place;

use std::path::Path;

use super::tar::Layout;
use crate::error::Result;
use crate::progress::Progress;
use crate::source::store::Store;
use crate::source::tree::Tree;
pub(crate) use documents::Description;
pub(crate) use layer::{Compression, Front, Options, Written};
use place::Place;

/// Writes an image of these layers to `path`: to a tar file if its name ends in `.tar`, else to a directory. What is
/// there is replaced as a whole.
///
/// # Errors
///
/// If a file cannot be read, or the image cannot be written; then nothing is replaced.
pub(crate) fn write(
    path: &Path,
    (store, tree): (&Store, &Tree),
    layers: &[Layout],
    description: &Description,
    options: &Options,
    progress: &Progress,
) -> Result<Vec<Written>> {
    let mut place = Place::create(path)?;
    let written = layer::write(&mut place, (store, tree), layers, options, progress)?;
    let config = place.blob(&description.config(&written))?;
    let manifest = description.manifest(&config, &written, options.compression.media_type());
    let manifest = place.blob(&manifest)?;
    place.file("index.json", &description.index(&manifest))?;
    place.file("manifest.json", &description.docker(&config, &written))?;
    place.file("oci-layout", documents::LAYOUT.as_bytes())?;
    place.publish()?;
    options.cache.sweep();
    Ok(written)
}
