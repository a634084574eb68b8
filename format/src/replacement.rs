//! The text that replaces a reference in a relocated closure.

use core::fmt;

use crate::base32::base32;
use crate::digest::{Digest, checksum};
use crate::store_path::{HASH_TEXT_LEN, STORE_DIR};

/// Bytes of a reference: `/nix/store/` and a hash.
pub const REFERENCE_LEN: usize = STORE_DIR.len() + 1 + HASH_TEXT_LEN;

/// Digits of the content key in a relocated name at least: 60 bits, so that no two store paths of a
/// cache get the same name.
const KEY_TEXT_LEN: usize = 12;

/// Why references cannot be rewritten to a cache at this path, its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitBase {
    /// The path is too long: a rewritten reference must keep its length.
    TooLong {
        /// Bytes of the path.
        len: usize,
        /// Bytes that the path may have.
        limit: usize,
    },
    /// The path contains this byte, which has a special meaning in some files with references: a
    /// space in a script's first line, a colon in a search path, a dollar sign in a RUNPATH.
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

/// Returns the text that replaces `/nix/store/<hash>`: the path of the cache, `/`, and digits up to
/// the same length.
///
/// The digits come from the store path's content key, mixed with a checksum of the cache's path. So
/// a cache that was moved does not reuse files that were rewritten for its old path.
///
/// # Errors
///
/// If `base` leaves no room for 12 digits, or has a character other than letters, digits and
/// `/._+-`. A short path cannot be padded with NUL or `//`: programs that compare paths would see a
/// different string.
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
    // The mask is the same for all keys, so different keys give different numbers.
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
    fn base_with_a_special_character_is_refused() {
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
