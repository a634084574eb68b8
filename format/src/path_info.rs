//! What Nix knows of a store path besides its files: what made it, and who signed it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Error, Part};
use crate::limits;
use crate::store_path::StorePath;
use crate::wire::{Reader, Writer};

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;

/// What Nix's database or a binary cache says of a store path.
///
/// Signatures are over the store path, its NAR hash, the NAR's length and all references, those to itself too. So this has
/// the references as they were signed: a scan of the files may find others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathInfo {
    /// The references to packed store paths, to itself too: sorted indexes into [`crate::Manifest::paths`].
    pub references: Vec<u32>,
    /// The references to store paths that are not packed, sorted by base name.
    pub elsewhere: Vec<StorePath>,
    /// The derivation that made it.
    pub deriver: Option<StorePath>,
    /// Nix's text for a store path whose name follows from its content, such as `fixed:r:sha256:…`; else empty.
    pub content_address: String,
    /// The signatures, sorted.
    pub signatures: Vec<Signature>,
}

/// An Ed25519 signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The name of the key, such as `cache.nixos.org-1`.
    pub key: String,
    /// The signature.
    pub bytes: [u8; SIGNATURE_LEN],
}

impl PathInfo {
    pub(crate) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        let part = Part::Manifest;
        writer.numbers(part, "references", &self.references)?;
        writer.count(part, "references", self.elsewhere.len())?;
        self.elsewhere.iter().try_for_each(|path| path.encode(part, writer))?;
        writer.count(part, "derivers", self.deriver.iter().count())?;
        self.deriver.iter().try_for_each(|path| path.encode(part, writer))?;
        writer.short(part, "bytes in a content address", self.content_address.as_bytes())?;
        writer.count(part, "signatures", self.signatures.len())?;
        for signature in &self.signatures {
            writer.short(part, "bytes in a key's name", signature.key.as_bytes())?;
            writer.bytes(&signature.bytes);
        }
        Ok(())
    }

    /// Decodes it in a manifest of `paths` store paths.
    pub(crate) fn decode(reader: &mut Reader<'_>, paths: usize) -> Result<PathInfo, Error> {
        let references = reader.rising(paths)?;
        let elsewhere = (0..reader.count(limits::STORE_PATHS, 22, "references")?)
            .map(|_| StorePath::decode(reader))
            .collect::<Result<Vec<_>, Error>>()?;
        let deriver = match reader.count(1, 22, "derivers")? {
            0 => None,
            _ => Some(StorePath::decode(reader)?),
        };
        let content_address = reader.text()?;
        let signatures = (0..reader.count(u32::MAX, 2 + SIGNATURE_LEN, "signatures")?)
            .map(|_| Ok(Signature { key: reader.text()?, bytes: reader.array()? }))
            .collect::<Result<Vec<_>, Error>>()?;
        if !elsewhere.is_sorted_by(|a, b| a.base_name() < b.base_name())
            || !signatures.is_sorted_by(|a, b| a < b)
        {
            return Err(reader.invalid("references or signatures are not in order"));
        }
        Ok(PathInfo { references, elsewhere, deriver, content_address, signatures })
    }
}
