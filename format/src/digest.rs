//! SHA-256 digests, and the fast checksum that each start compares.

use core::fmt;
use core::hash::Hasher as _;

use sha2::{Digest as _, Sha256};
use twox_hash::XxHash64;

use crate::base32::{base32, parse_base32};

/// Digits of a digest in Nix's base 32.
const BASE32_LEN: usize = 52;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the digest in Nix's base 32, as in `NarHash` and signatures.
    pub fn base32(&self) -> [u8; BASE32_LEN] {
        base32(&self.0)
    }

    /// Parses a digest in Nix's base 32.
    pub fn parse_base32(text: &[u8; BASE32_LEN]) -> Option<Digest> {
        parse_base32(text).map(Digest)
    }
}

impl fmt::Display for Digest {
    /// Writes 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        f.write_str(base16ct::lower::encode_str(&self.0, &mut digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Returns a hasher that has read no bytes.
    pub fn new() -> Hasher {
        Hasher::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Returns XXH64 with seed 0 of the joined parts.
///
/// It is fast enough for every start. It finds accidental changes only: an attacker can forge it.
pub fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = XxHash64::with_seed(0);
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::Digest;

    #[test]
    fn base_32_is_that_of_nix() {
        // From `nix-hash --type sha256 --to-base32`.
        let digest = Digest::of(b"abc");
        assert_eq!(&digest.base32(), b"1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s");
        assert_eq!(Digest::parse_base32(&digest.base32()), Some(digest));
        for wrong in [b'z', b'e', b'!'] {
            let mut text = digest.base32();
            text[0] = wrong;
            assert_eq!(Digest::parse_base32(&text), None);
        }
    }

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-2, appendix B.1
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
