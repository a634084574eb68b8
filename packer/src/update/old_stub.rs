//! The stub of the new bundle, made of the old one's: mostly only the descriptor in it is new.

use format::{DESCRIPTOR_LEN, Digest};

use super::stored;
use crate::elf;
use crate::source::bundle::Bundle;

/// Returns the new bundle's stub with its descriptor, if the old bundle has the same stub; else it has to be fetched.
///
/// The digest of the stub is in the new manifest. Bundles of format version 4 or earlier do not have it.
pub(super) fn find(old: &Bundle, new: &Bundle) -> Option<Vec<u8>> {
    let expected = new.sections.manifest.stub?;
    if old.header.descriptor.stub_len != new.header.descriptor.stub_len {
        return None;
    }
    let mut bytes = stored::head(old).ok()?;
    let at = elf::note(bytes.as_slice())?.as_ptr().addr() - bytes.as_ptr().addr();
    let place = at..at + DESCRIPTOR_LEN;
    bytes.get_mut(place.clone())?.fill(0);
    if Digest::of(&bytes) != expected {
        return None;
    }
    bytes.get_mut(place)?.copy_from_slice(&elf::descriptor(&new.file)?);
    Some(bytes)
}
