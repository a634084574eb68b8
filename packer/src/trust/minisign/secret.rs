//! minisign's secret keys, and signing with them.

use std::fmt;
use std::fs::File;
use std::io::Seek as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minisign::{KeyPair, PublicKey, SecretKeyBox};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::BundleKey;
use crate::error::{Error, Result};

/// Bytes of a secret key in a file, and where its fields are: minisign's page, "Secret key format".
const LEN: usize = 158;
const KDF: std::ops::Range<usize> = 2..4;
const SALT: std::ops::Range<usize> = 6..38;
const OPERATIONS: std::ops::Range<usize> = 38..46;
const MEMORY: std::ops::Range<usize> = 46..54;
/// What is encrypted: the key's number, the key and a checksum.
const ENCRYPTED: std::ops::Range<usize> = 54..LEN;

/// The derivation of a key from a password: none, or scrypt.
const NONE: &[u8] = &[0, 0];
const SCRYPT: &[u8] = b"Sc";

/// minisign's parameters, which are libsodium's for sensitive data.
const SENSITIVE_OPERATIONS: u64 = 33_554_432;
/// Bytes of memory that deriving takes.
const SENSITIVE_MEMORY: u64 = 1 << 30;
/// What scrypt makes of them: the binary logarithm of the number of blocks, the size of a block, and lanes.
const COST: (u8, u32, u32) = (20, 8, 1);

/// How a secret key is kept.
pub(crate) enum Protection {
    /// As it is.
    None,
    /// Encrypted with a password.
    Password(String),
}

/// A secret key that can sign.
pub(crate) struct SecretKey(minisign::SecretKey);

/// A new key, as it is kept.
pub(crate) struct Generated {
    /// The content of the secret key's file.
    pub(crate) secret: String,
    /// The content of the public key's file.
    pub(crate) public: String,
    key: BundleKey,
}

impl Generated {
    /// The public key.
    pub(crate) fn public(&self) -> BundleKey {
        self.key.clone()
    }
}

/// Makes a key.
///
/// # Errors
///
/// If there are no random numbers, or not enough memory to encrypt it.
pub(crate) fn generate(protection: &Protection) -> Result<Generated> {
    let failed = |reason: &dyn fmt::Display| Error::KeyGeneration { reason: reason.to_string() };
    let pair = KeyPair::generate_unencrypted_keypair().map_err(|error| failed(&error))?;
    let public = pair.pk.to_box().map_err(|error| failed(&error))?.into_string();
    let mut bytes = pair.sk.to_bytes();
    let mut comment = "minisign secret key";
    if let Protection::Password(password) = protection {
        comment = "minisign encrypted secret key";
        bytes[KDF].copy_from_slice(SCRYPT);
        let random = SystemRandom::new().fill(&mut bytes[SALT]);
        random.map_err(|_| failed(&"there are no random numbers"))?;
        bytes[OPERATIONS].copy_from_slice(&SENSITIVE_OPERATIONS.to_le_bytes());
        bytes[MEMORY].copy_from_slice(&SENSITIVE_MEMORY.to_le_bytes());
        require_memory(SENSITIVE_MEMORY)?;
        let (blocks, size, lanes) = COST;
        let mut stream = [0; LEN - ENCRYPTED.start];
        let parameters = scrypt::Params::new(blocks, size, lanes, scrypt::Params::RECOMMENDED_LEN);
        let parameters = parameters.map_err(|error| failed(&error))?;
        let derived = scrypt::scrypt(password.as_bytes(), &bytes[SALT], &parameters, &mut stream);
        derived.map_err(|error| failed(&error))?;
        for (byte, key) in bytes[ENCRYPTED].iter_mut().zip(stream) {
            *byte ^= key;
        }
    }
    let secret = format!("untrusted comment: {comment}\n{}\n", BASE64_STANDARD.encode(bytes));
    Ok(Generated { secret, public, key: BundleKey(pair.pk) })
}

impl SecretKey {
    /// Reads the content of a key's file; `name` is for messages. `password` is asked for one if the key is encrypted.
    ///
    /// # Errors
    ///
    /// If it is no such key, or the password is wrong, or there is too little memory to decrypt it.
    pub(crate) fn parse(
        text: &str,
        name: &str,
        password: impl FnOnce() -> Result<String>,
    ) -> Result<SecretKey> {
        let malformed = || Error::NoBundleKey { path: name.to_owned(), kind: "secret" };
        let line = text.lines().nth(1).unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(line.trim()).map_err(|_| malformed())?;
        if bytes.len() != LEN {
            return Err(malformed());
        }
        if bytes[KDF] == *NONE {
            // Without a look at the checksum: minisign writes none into keys without a password. Signing finds damage.
            let key = minisign::SecretKey::from_bytes(&bytes).map_err(|_| malformed())?;
            return Ok(SecretKey(key));
        }
        let memory = bytes[MEMORY].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        if bytes[KDF] != *SCRYPT || memory > SENSITIVE_MEMORY {
            return Err(malformed());
        }
        require_memory(memory)?;
        let stored = SecretKeyBox::from_string(text).map_err(|_| malformed())?;
        let key = stored.into_secret_key(Some(password()?));
        key.map(SecretKey).map_err(|_| Error::WrongPassword { path: name.to_owned() })
    }

    /// Signs a bundle, from its start to its end, and a comment of one line. Returns the signature file's content.
    ///
    /// # Errors
    ///
    /// If the bundle cannot be read.
    pub(crate) fn sign(&self, bundle: &File, name: &str, comment: &str) -> Result<String> {
        let failed = |reason: String| Error::NotSigned { path: name.to_owned(), reason };
        let untrusted = "signature from packer sign";
        let mut bundle = bundle;
        bundle.rewind().map_err(|error| failed(error.to_string()))?;
        // With the public key, the library checks what it has signed.
        let signed = PublicKey::from_secret_key(&self.0).and_then(|public| {
            minisign::sign(Some(&public), &self.0, bundle, Some(comment), Some(untrusted))
        });
        Ok(signed.map_err(|error| failed(error.to_string()))?.into_string())
    }
}

/// Checks that scrypt can have its memory: where it cannot, the process would be ended.
fn require_memory(bytes: u64) -> Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
    reserved.map_err(|_| Error::KeyMemory { bytes })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn no_password() -> Result<String> {
        panic!("no password is needed")
    }

    #[test]
    fn what_is_signed_verifies() {
        let generated = generate(&Protection::None).unwrap();
        let key = SecretKey::parse(&generated.secret, "x.key", no_password).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"a bundle").unwrap();
        let signature = key.sign(&file, "x", "name:x").unwrap();
        let public = BundleKey::parse_file(&generated.public, "x.pub").unwrap();
        assert_eq!(public.verify(&signature, &file, "x.minisig").unwrap().comment, "name:x");
        assert_eq!(public.id(), generated.public().id());
        assert!(generated.public.contains(&public.id()), "{}", generated.public);
    }

    #[test]
    fn other_keys_are_refused() {
        let generated = generate(&Protection::None).unwrap();
        let parse = |text: &str| SecretKey::parse(text, "x.key", no_password).err().unwrap();
        let line = generated.secret.lines().nth(1).unwrap();
        for text in ["", "x", &generated.public, line, &format!("c\n{}", &line[4..])] {
            assert!(matches!(parse(text), Error::NoBundleKey { .. }), "{text}");
        }
        // More memory than anybody's key takes.
        let mut bytes = BASE64_STANDARD.decode(line).unwrap();
        bytes[KDF].copy_from_slice(SCRYPT);
        bytes[MEMORY].fill(0xff);
        let hungry = format!("c\n{}\n", BASE64_STANDARD.encode(bytes));
        assert!(matches!(parse(&hungry), Error::NoBundleKey { .. }));
    }

    #[test]
    fn damaged_key_does_not_sign() {
        let generated = generate(&Protection::None).unwrap();
        let line = generated.secret.lines().nth(1).unwrap();
        let mut bytes = BASE64_STANDARD.decode(line).unwrap();
        bytes[ENCRYPTED.start + 9] ^= 1;
        let damaged = format!("c\n{}\n", BASE64_STANDARD.encode(bytes));
        let key = SecretKey::parse(&damaged, "x.key", no_password).unwrap();
        let signed = key.sign(&tempfile::tempfile().unwrap(), "x", "name:x");
        assert!(matches!(signed, Err(Error::NotSigned { .. })));
    }
}
