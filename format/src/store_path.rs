//! Store paths and their hashes in Nix's notation.

use alloc::string::String;
use core::fmt;

use crate::base32::{base32, parse_base32};
use crate::error::{Error, Part};
use crate::replacement::REFERENCE_LEN;
use crate::wire::{Reader, Writer};

/// The directory of all store paths.
///
/// It is part of the format, since files refer to it.
pub const STORE_DIR: &str = "/nix/store";

/// Characters of a store path's hash in text form.
pub const HASH_TEXT_LEN: usize = 32;

/// Characters of a store path's name at most, from Nix's `checkName`.
const NAME_LEN: usize = 211;

/// The hash part of a store path: 160 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreHash(pub [u8; 20]);

impl StoreHash {
    /// Parses 32 digits of Nix's base 32.
    pub fn parse(text: &[u8; HASH_TEXT_LEN]) -> Option<StoreHash> {
        parse_base32(text).map(StoreHash)
    }

    /// Returns the hash as 32 digits.
    pub fn text(&self) -> [u8; HASH_TEXT_LEN] {
        base32(&self.0)
    }
}

impl fmt::Debug for StoreHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|&c| write!(f, "{}", char::from(c)))
    }
}

/// A store path: `/nix/store/<hash>-<name>`.
///
/// The name has 1 to 211 of the characters that Nix allows and does not start with a dot. So the
/// base name is never `.`, `..` or hidden.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    hash: StoreHash,
    name: String,
}

/// The error for bytes that are not the base name of a store path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidStorePath;

impl fmt::Display for InvalidStorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not of the form <32 characters>-<name>")
    }
}

impl core::error::Error for InvalidStorePath {}

impl StorePath {
    /// Makes a store path from its hash and its name.
    ///
    /// # Errors
    ///
    /// If Nix does not allow `name`.
    pub fn new(hash: StoreHash, name: &[u8]) -> Result<StorePath, InvalidStorePath> {
        let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"+-._?=".contains(c);
        if name.len() > NAME_LEN
            || name.first().is_none_or(|c| *c == b'.')
            || !name.iter().all(allowed)
        {
            return Err(InvalidStorePath);
        }
        let name = core::str::from_utf8(name).map_err(|_| InvalidStorePath)?;
        Ok(StorePath { hash, name: name.into() })
    }

    /// Returns the part of the store path that counts as a reference and is rewritten:
    /// `/nix/store/<hash>`.
    pub fn reference(&self) -> [u8; REFERENCE_LEN] {
        let mut text = STORE_DIR.bytes().chain([b'/']).chain(self.hash.text());
        // The chain has exactly `REFERENCE_LEN` bytes, so it never ends early.
        core::array::from_fn(|_| text.next().unwrap_or(b'0'))
    }

    /// Parses a whole path: `/nix/store/<hash>-<name>`.
    ///
    /// # Errors
    ///
    /// If `path` does not have this form; nothing may be below the store path.
    pub fn parse_full(path: &[u8]) -> Result<StorePath, InvalidStorePath> {
        let below =
            path.strip_prefix(STORE_DIR.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
        StorePath::parse(below.ok_or(InvalidStorePath)?)
    }

    /// Parses a base name: `<hash>-<name>`.
    ///
    /// # Errors
    ///
    /// If `base_name` does not have this form.
    pub fn parse(base_name: &[u8]) -> Result<StorePath, InvalidStorePath> {
        let (hash, rest) = base_name.split_first_chunk().ok_or(InvalidStorePath)?;
        let name = rest.strip_prefix(b"-").ok_or(InvalidStorePath)?;
        StorePath::new(StoreHash::parse(hash).ok_or(InvalidStorePath)?, name)
    }

    /// Appends the hash's bytes, since a hash as text would be a reference to Nix, and the name.
    pub(crate) fn encode(&self, part: Part, writer: &mut Writer) -> Result<(), Error> {
        writer.bytes(&self.hash.0);
        writer.short(part, "bytes in a name", self.name.as_bytes())
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<StorePath, Error> {
        let hash = StoreHash(reader.array()?);
        StorePath::new(hash, reader.short()?)
            .map_err(|_| reader.invalid("a store path has an invalid name"))
    }

    /// The hash as text and the name: store paths are sorted by them.
    pub fn base_name(&self) -> ([u8; HASH_TEXT_LEN], &str) {
        (self.hash.text(), &self.name)
    }

    /// The hash part.
    pub fn hash(&self) -> StoreHash {
        self.hash
    }

    /// The name part.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for StorePath {
    /// Writes the base name. The whole path has [`STORE_DIR`] and `/` before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}-{}", self.hash, self.name)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn base_name_round_trips() {
        let text = "1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc-2.33-59";
        assert_eq!(StorePath::parse(text.as_bytes()).unwrap().to_string(), text);
        let full = ["/nix/store/", text].concat();
        assert_eq!(StorePath::parse_full(full.as_bytes()).unwrap().to_string(), text);
        for wrong in [text.into(), full.replace("nix", "gnu"), full.clone() + "/bin", full + "/"] {
            assert!(StorePath::parse_full(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hash_is_nixs_base32() {
        // From `nix hash to-base32 --type sha1 0102…14`.
        let bytes: Vec<u8> = (1..=20).collect();
        let hash = StoreHash(bytes.try_into().unwrap());
        assert_eq!(&hash.text(), b"2h9i448h1w70s30b184hh1q60l2060h1");
        assert_eq!(StoreHash::parse(&hash.text()), Some(hash));
    }

    #[test]
    fn other_names_are_refused() {
        let hash = "1b9p07z77phvv2hf6gm9f28syp39f1ag";
        for bad in [
            "",
            "glibc",
            hash,
            &std::format!("{hash}-"),
            &std::format!("{hash}-.hidden"),
            &std::format!("{hash}-a/b"),
            &std::format!("{hash}-a b"),
            &std::format!("{hash}-{}", "a".repeat(212)),
            "eb9p07z77phvv2hf6gm9f28syp39f1ag-e-is-no-digit",
            "..",
        ] {
            assert_eq!(StorePath::parse(bad.as_bytes()), Err(InvalidStorePath), "{bad}");
        }
    }
}
