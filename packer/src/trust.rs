//! Who vouches for store paths: Nix's public keys, its signatures, and what they are over.
//!
//! Nix's manual describes the keys (nix-store, "--generate-binary-cache-key") and the fingerprint is that of
//! `ValidPathInfo::fingerprint` in its source.

pub(crate) mod content_address;
pub(crate) mod hash;
mod key;
pub(crate) mod minisign;
mod nix_conf;
pub(crate) mod signature;
pub(crate) mod voucher;

use std::fmt::Write as _;

use format::{Digest, PathInfo, STORE_DIR, Signature, StorePath};

use crate::error::Result;

use key::PublicKey;

/// The key of the cache that Nix asks if nothing else is configured.
const DEFAULT_KEY: &str = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// The keys whose signatures count.
pub(crate) struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// The keys of `--trusted-key` and those of nix.conf; where that names none, the key of cache.nixos.org.
    ///
    /// # Errors
    ///
    /// If a given key is none, or a configuration file cannot be read. A wrong key in nix.conf is left out, as Nix
    /// does.
    pub(crate) fn new(given: &[String]) -> Result<TrustedKeys> {
        let mut keys: Vec<PublicKey> =
            given.iter().map(|text| PublicKey::parse(text)).collect::<Result<_>>()?;
        let configured = nix_conf::keys(DEFAULT_KEY)?;
        keys.extend(configured.iter().filter_map(|text| PublicKey::parse(text).ok()));
        Ok(TrustedKeys(keys))
    }

    /// Whether one of the keys has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|key| key.name() == name)
    }

    /// Whether one of the keys made a signature over a fingerprint.
    pub(crate) fn made(&self, signature: &Signature, fingerprint: &str) -> bool {
        let mut keys = self.0.iter().filter(|key| key.name() == signature.key);
        keys.any(|key| key.made(&signature.bytes, fingerprint.as_bytes()))
    }

    /// The name of the first of the keys that made a signature over a fingerprint.
    pub(crate) fn signer<'a>(
        &self,
        signatures: &'a [Signature],
        fingerprint: &str,
    ) -> Option<&'a str> {
        let made = signatures.iter().find(|signature| self.made(signature, fingerprint));
        made.map(|signature| signature.key.as_str())
    }
}

/// What the signatures of a store path are over. `references` has those to itself, too; their order does not matter.
pub(crate) fn fingerprint<'a>(
    path: &StorePath,
    nar_hash: &Digest,
    nar_len: u64,
    references: impl Iterator<Item = &'a StorePath>,
) -> String {
    let hash = hash::text(nar_hash);
    let mut references: Vec<String> =
        references.map(|reference| format!("{STORE_DIR}/{reference}")).collect();
    references.sort();
    references.dedup();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "1;{STORE_DIR}/{path};{hash};{nar_len};");
    text.push_str(&references.join(","));
    text
}

/// The references of a packed store path, as they were signed.
pub(crate) fn references<'a>(
    info: &'a PathInfo,
    paths: &'a [format::PackedPath],
) -> impl Iterator<Item = &'a StorePath> {
    let packed = info.references.iter().filter_map(|number| paths.get(*number as usize));
    packed.map(|packed| &packed.path).chain(&info.elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_key_is_one() {
        assert_eq!(PublicKey::parse(DEFAULT_KEY).unwrap().name(), "cache.nixos.org-1");
    }
}
