//! The signature of a new file: fetched first, so that a missing one or one of somebody else costs little.

use std::io;

use format::Digest;

use super::location::{Location, Terms};
use super::remote::Opened;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::trust::minisign::{BundleKey, ENDING, FILE_LEN, Signed};

/// Fetches the signature beside a bundle, which has to be by this key.
///
/// # Errors
///
/// If there is none, or it is by another key.
pub(crate) fn fetch(
    location: &Location,
    key: &BundleKey,
    id: Digest,
    terms: Terms,
    progress: &Progress,
) -> Result<Signed> {
    let location = location.beside(ENDING);
    let name = location.name();
    let bytes = match Opened::open(&location, terms, FILE_LEN, progress) {
        Ok((bytes, _)) => bytes,
        Err(Error::NotAtUrl { .. }) => return Err(Error::UpdateUnsigned { url: name }),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(Error::UpdateUnsigned { url: name });
        }
        Err(error) => return Err(error),
    };
    let signed = key.signature(&String::from_utf8_lossy(&bytes), &name)?;
    // What packer signs names the bundle. It is not checked yet; if it is another one, the file would not fit either.
    let named = signed.comment().and_then(|comment| {
        let mut fields = comment.split('\t');
        fields.find_map(|field| field.strip_prefix("bundle:").map(str::to_owned))
    });
    match named.is_none_or(|named| named == id.to_string()) {
        true => Ok(signed),
        false => Err(Error::WrongSignature { path: name }),
    }
}
