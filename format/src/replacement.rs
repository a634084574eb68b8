//! What takes the place of a reference in a relocated closure.

use core::fmt;

use crate::digest::{Digest, checksum};
use crate::store_path::{HASH_TEXT_LEN, STORE_DIR, base32};

/// Bytes of a reference: `/nix/store/` and a hash.
pub const REFERENCE_LEN: usize = STORE_DIR.len() + 1 + HASH_TEXT_LEN;

/// Fewest digits of a content key in a relocated name: 60 bits, so that no two paths of one cache meet.
const KEY_TEXT_LEN: usize = 12;

/// A cache base to which references cannot be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitBase {
    /// A reference would not keep its length.
    TooLong {
        /// Bytes of the base.
        len: usize,
        /// Bytes that a base may have.
        limit: usize,
    },
    /// It holds this byte, which means something in one of the places where references stand: a space in a
    /// script's first line, a colon in a search path, a dollar in a RUNPATH.
    Byte(u8),
}

impl fmt::Display for UnfitBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnfitBase::TooLong { len, limit } => {
                write!(f, "its path has {len} bytes, {limit} are allowed")
            }
            UnfitBase::Byte(byte) => {
                write!(f, "its path holds '{}'", core::ascii::escape_default(*byte))
            }
        }
    }
}

impl core::error::Error for UnfitBase {}

/// Returns what takes the place of `/nix/store/<hash>`: the cache base, `/`, and as many digits as make the
/// length the same.
///
/// They are the first digits of the store path's content key, mixed with a checksum of the base: files that
/// were rewritten for another base, from which the cache was moved here, have another name.
///
/// # Errors
///
/// If `base` leaves no room for 12 digits, or has other characters than letters, digits and `/._+-`. Padding is no way out: a path with a NUL or with `//` in it
/// is another string to programs that compare.
pub fn replacement(base: &[u8], key: Digest) -> Result<[u8; REFERENCE_LEN], UnfitBase> {
    const LIMIT: usize = REFERENCE_LEN - 1 - KEY_TEXT_LEN;
    let too_long = UnfitBase::TooLong { len: base.len(), limit: LIMIT };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(byte);
    if let Some(byte) = base.iter().find(|byte| !is_plain(byte)) {
        return Err(UnfitBase::Byte(*byte));
    }
    let mut text = [b'/'; REFERENCE_LEN];
    let (head, rest) = text.split_at_mut_checked(base.len()).ok_or(too_long)?;
    head.copy_from_slice(base);
    let (_, digits) = rest.split_first_mut().ok_or(too_long)?;
    if digits.len() < KEY_TEXT_LEN {
        return Err(too_long);
    }
    let mut number = key.0;
    // Different keys stay different.
    for (byte, mask) in number.iter_mut().zip(checksum(&[base]).into_iter().cycle()) {
        *byte ^= mask;
    }
    let name = base32::<REFERENCE_LEN>(&number);
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
    fn base_with_a_meaning_of_its_own_is_refused() {
        for byte in *b" :$\n'\xff" {
            let base = [b"/home/", &[byte][..]].concat();
            assert_eq!(replacement(&base, Digest::of(b"")), Err(UnfitBase::Byte(byte)));
        }
    }

    #[test]
    fn long_base_is_refused() {
        let key = Digest::of(b"glibc");
        assert!(replacement(&[b'a'; 30], key).is_ok());
        assert_eq!(replacement(&[b'a'; 31], key), Err(UnfitBase::TooLong { len: 31, limit: 30 }));
        assert!(replacement(&[b'a'; 100], key).is_err());
    }
}
