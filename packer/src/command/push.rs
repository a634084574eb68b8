//! `packer push`: sends an image or a bundle to a registry.

use runtime::error::Size;

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::registry::blob::{Blob, BlobDigest};
use crate::registry::image::Image;
use crate::registry::reference::{Reference, Target};
use crate::registry::{Access, Repository, SCHEME, Sent};

/// Sends what the registry does not have: blobs first, so that nobody gets a manifest without them.
///
/// # Errors
///
/// If there is nothing to send, or the registry does not take it.
pub(crate) fn push(options: &cli::Push) -> Result<()> {
    let (is_bundle, name) = match options.target.strip_prefix(SCHEME) {
        Some(name) => (true, name),
        None => (false, options.target.as_str()),
    };
    let reference = Reference::parse(name)?;
    let Target::Tag(tag) = &reference.target else {
        return Err(Error::NoReference {
            text: reference.to_string(),
            reason: "a push needs a tag",
        });
    };
    let source = &options.source;
    let image = if is_bundle { Image::of_bundle(source)? } else { Image::of_layout(source)? };

    let progress = Progress::new();
    let from = options.mount_from.as_deref().map(|name| reference.beside(name)).transpose()?;
    let access = Access::Push { from: from.as_ref().map(|from| from.repository.as_str()) };
    let repository =
        Repository::open(&reference, &access, options.transport.transport(), &progress)?;
    let mut missing = Vec::new();
    for blob in &image.blobs {
        if !repository.has(blob)? {
            // A bundle's digest was computed just now.
            if !is_bundle {
                image.check(blob)?;
            }
            missing.push(blob);
        }
    }
    let len = |blobs: &[&Blob]| blobs.iter().map(|blob| blob.len).sum();
    progress.start("sending", Some(len(&missing)));
    let mut sent = Vec::new();
    for blob in missing {
        if repository.upload(blob)? == Sent::Yes {
            sent.push(blob);
        }
    }
    for (media_type, bytes) in &image.parts {
        repository.put_manifest(&BlobDigest::of(bytes).to_string(), media_type, bytes)?;
    }
    let (media_type, bytes) = &image.manifest;
    repository.put_manifest(tag, media_type, bytes)?;
    drop(progress);
    print::text(&format!(
        "{reference} is {}: {} of {} blobs sent, {}\n",
        BlobDigest::of(bytes),
        sent.len(),
        image.blobs.len(),
        Size(len(&sent))
    ))
}
