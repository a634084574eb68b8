//! A public key in Nix's notation.

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::error::{Error, Result};
use crate::show;

use super::signature;

/// Bytes of an Ed25519 public key.
const KEY_LEN: usize = 32;

/// A public key with its name, such as `cache.nixos.org-1:6NCH…`.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    name: String,
    bytes: [u8; KEY_LEN],
}

impl PublicKey {
    /// Parses a key.
    ///
    /// # Errors
    ///
    /// If it is not a name, a colon and 32 bytes in base 64.
    pub(crate) fn parse(text: &str) -> Result<PublicKey> {
        let name = text.split(':').next().unwrap_or_default();
        let malformed = || Error::MalformedKey { name: show::text(&format!("{name}:…")) };
        let (name, bytes) = signature::split(text).ok_or_else(malformed)?;
        let bytes = bytes.try_into().map_err(|_| malformed())?;
        Ok(PublicKey { name: name.to_owned(), bytes })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this key made a signature over a text.
    pub(super) fn made(&self, signature: &[u8], text: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.bytes).verify(text, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use format::{Digest, StorePath};

    use super::*;
    use crate::trust::fingerprint;

    #[test]
    fn signature_of_nix_is_checked() {
        // From `nix-store --generate-binary-cache-key` and `nix copy --to file://…?secret-key=…`.
        let key = PublicKey::parse("test-1:Qy9nD4ocwTXluKP27VIr0uRcri/XyUVd/kfGLBFR1Fs=").unwrap();
        assert_eq!(key.name(), "test-1");
        let signature = signature::parse("test-1:t2GhdkmtROY7wp/k6aV88h1drVieLvbVdiGxnVaWnQQ74pIFmljpbHaV0BXuxElGxGgjkPqkW5kQNF3+k5u6AA==").unwrap();
        let path = |base_name: &[u8]| StorePath::parse(base_name).unwrap();
        let hash = b"1a2x4zfi20fkjs9ixkcdnin3jbjrkrvxaw18l09mv214rl1s40wl";
        let text = fingerprint(
            &path(b"acr353yczai9d28pz3qww50nh7vf7ys5-libgcc-s1-12.2.0"),
            &Digest::parse_base32(hash).unwrap(),
            126_560,
            [&path(b"b9fnp2cbyg1b4dfgz29dcngdsc7b80pa-gcc-12-base-12.2.0")].into_iter(),
        );
        assert!(key.made(&signature.bytes, text.as_bytes()));
        assert!(!key.made(&signature.bytes, &text.as_bytes()[1..]));
        let mut bytes = signature.bytes;
        bytes[0] ^= 1;
        assert!(!key.made(&bytes, text.as_bytes()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in
            ["", "x", "x:", "x:AAAA", "x:!", ":6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="]
        {
            assert!(matches!(PublicKey::parse(text), Err(Error::MalformedKey { .. })), "{text}");
        }
    }
}
