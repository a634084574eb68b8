//! The names of relocated store paths in a cache.

use alloc::ffi::CString;
use alloc::vec::Vec;

use format::{Digest, REFERENCE_LEN, StorePath, UnfitBase};

/// Returns the path of a relocated store path, for a cache at `base`.
///
/// # Errors
///
/// If references cannot be rewritten to `base`.
pub(crate) fn relocated_path(
    base: &[u8],
    key: Digest,
    path: &StorePath,
) -> Result<Vec<u8>, UnfitBase> {
    let mut directory: Vec<u8> = format::replacement(base, key)?.into();
    directory.push(b'-');
    directory.extend_from_slice(path.name().as_bytes());
    Ok(directory)
}

/// Returns the name of a relocated store path in a cache at `base`.
///
/// # Errors
///
/// If references cannot be rewritten to `base`.
pub(crate) fn relocated_name(
    base: &[u8],
    key: Digest,
    path: &StorePath,
) -> Result<CString, UnfitBase> {
    let mut name = relocated_path(base, key, path)?;
    name.drain(..=base.len());
    // Digits and the name of a store path contain no NUL.
    Ok(CString::new(name).unwrap_or_default())
}

/// Whether `name` has the form that [`relocated_name`] gives in a cache at `base`.
pub(crate) fn is_relocated_name(base: &[u8], name: &[u8]) -> bool {
    let Some(digits) = REFERENCE_LEN.checked_sub(base.len() + 1) else { return false };
    match name.split_at_checked(digits) {
        Some((key, rest)) => {
            rest.starts_with(b"-")
                && key.iter().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relocated_names_are_recognised() {
        let base = b"/home/alice/.cache/packed";
        let path = StorePath::parse(b"1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc-2.33").unwrap();
        let name = relocated_name(base, Digest::of(b"key"), &path).unwrap();
        assert!(is_relocated_name(base, name.to_bytes()));
        for other in ["my-project", "stores", "0123456789abcdefg", "0123456789abcdefgh-long", ""] {
            assert!(!is_relocated_name(base, other.as_bytes()), "{other}");
        }
    }
}
