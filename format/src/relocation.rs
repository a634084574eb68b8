use core::fmt;

use crate::digest::{Digest, Hasher};
use crate::store_path::{HASH_TEXT_LEN, STORE_DIR, base32};

/// Bytes of a reference: `/nix/store/` and a hash.
pub const REFERENCE_LEN: usize = STORE_DIR.len() + 1 + HASH_TEXT_LEN;

/// Fewest digits of a content key in a relocated name: 60 bits, so that no two paths of one cache meet.
const KEY_TEXT_LEN: usize = 12;

/// A cache base with which a reference would not keep its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseTooLong {
    /// Bytes of the base.
    pub len: usize,
    /// Bytes that a base may have.
    pub limit: usize,
}

impl fmt::Display for BaseTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its path has {} bytes, {} are allowed", self.len, self.limit)
    }
}

impl core::error::Error for BaseTooLong {}

/// Returns what takes the place of `/nix/store/<hash>`: the cache base, `/`, and as many digits as make the
/// length the same.
///
/// They are the first digits of a digest of the base and the store path's content key: files that were
/// rewritten for another base, from which the cache was moved here, have another name.
///
/// # Errors
///
/// If `base` leaves no room for 12 digits. Padding is no way out: a path with a NUL or with `//` in it
/// is another string to programs that compare.
pub fn replacement(base: &[u8], key: Digest) -> Result<[u8; REFERENCE_LEN], BaseTooLong> {
    const LIMIT: usize = REFERENCE_LEN - 1 - KEY_TEXT_LEN;
    let too_long = BaseTooLong { len: base.len(), limit: LIMIT };
    let mut text = [b'/'; REFERENCE_LEN];
    let (head, rest) = text.split_at_mut_checked(base.len()).ok_or(too_long)?;
    head.copy_from_slice(base);
    let (_, digits) = rest.split_first_mut().ok_or(too_long)?;
    if digits.len() < KEY_TEXT_LEN {
        return Err(too_long);
    }
    let mut hasher = Hasher::new();
    hasher.update(&key.0);
    hasher.update(base);
    let name = base32::<REFERENCE_LEN>(&hasher.finish().0);
    digits.copy_from_slice(name.get(..digits.len()).ok_or(too_long)?);
    Ok(text)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn replacement_has_the_references_length() {
        let key = Digest::of(b"glibc");
        let text = replacement(b"/home/alice/.cache/packed", key).unwrap();
        assert!(text.starts_with(b"/home/alice/.cache/packed/"));
        assert!(text[26..].iter().all(u8::is_ascii_alphanumeric));
        assert_eq!(text.len(), "/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag".len());
        let elsewhere = replacement(b"/home/carol/.cache/packed", key).unwrap();
        assert_ne!(text[26..], elsewhere[26..]);
    }

    #[test]
    fn long_base_is_refused() {
        let key = Digest::of(b"glibc");
        assert!(replacement(&[b'a'; 30], key).is_ok());
        assert_eq!(replacement(&[b'a'; 31], key), Err(BaseTooLong { len: 31, limit: 30 }));
        assert!(replacement(&[b'a'; 100], key).is_err());
    }
}
