//! Fuzz targets for what comes from binary caches.

use format::Digest;
use packer::fuzz;

/// Target: a NAR. A store path has only one, so what is read makes the same bytes again.
pub(crate) fn nar(data: &[u8]) -> bool {
    let Ok((digest, len)) = fuzz::nar(data) else { return false };
    // What stands behind a NAR does not belong to it.
    let len = usize::try_from(len).expect("no longer than the input");
    assert_eq!(data.get(..len).map(Digest::of), Some(digest), "two NARs of one store path");
    true
}

/// Target: a narinfo.
pub(crate) fn narinfo(data: &[u8]) -> bool {
    fuzz::narinfo(data).is_ok()
}

/// Target: a file of `nix-store --export`.
pub(crate) fn export(data: &[u8]) -> bool {
    fuzz::export(data).is_ok_and(|paths| paths.len() <= data.len())
}
