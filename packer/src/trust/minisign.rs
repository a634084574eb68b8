//! Signatures of whole bundles, in the format of the tool minisign: <https://jedisct1.github.io/minisign/>.

mod secret;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use format::SIGNATURE_LEN;
use minisign::{ErrorKind, PublicKey, PublicKeyBox, SignatureBox};

use crate::error::{Error, Result};

pub(crate) use secret::{Protection, SecretKey, generate};

/// The ending of a signature's name.
pub(crate) const ENDING: &str = ".minisig";

/// The largest key or signature file in bytes; minisign's comments have 1024 or 8192 characters at most.
pub(crate) const FILE_LEN: u64 = 64 << 10;

/// The lines of a signature: a comment, the signature, the trusted comment, and the signature over that.
const LINES: usize = 4;

/// What is signed, for messages.
const BUNDLE: &str = "the bundle";

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct BundleKey(PublicKey);

/// A signature that was checked.
pub(crate) struct Verified {
    /// The text that was signed with the file.
    pub(crate) comment: String,
}

impl BundleKey {
    /// Parses the 56 characters that `minisign -P` takes; `None` if they are no key.
    pub(crate) fn parse(text: &str) -> Option<BundleKey> {
        PublicKey::from_base64(text.trim()).ok().filter(is_known).map(BundleKey)
    }

    /// Parses a file that `minisign -p` takes; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn parse_file(text: &str, name: &str) -> Result<BundleKey> {
        let key = PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key);
        let key = key.ok().filter(is_known).map(BundleKey);
        key.ok_or_else(|| Error::NoBundleKey { path: name.to_owned(), kind: "public" })
    }

    /// The 56 characters that `minisign -P` takes.
    pub(crate) fn text(&self) -> String {
        self.0.to_base64()
    }

    /// The key's number, as minisign writes it.
    pub(crate) fn id(&self) -> String {
        id(self.0.keynum())
    }

    /// Checks a signature over a bundle, from its start to its end. `name` is the signature's file, for messages.
    ///
    /// # Errors
    ///
    /// If it is no signature, is by another key, or is over something else.
    pub(crate) fn verify(&self, text: &str, bundle: &File, name: &str) -> Result<Verified> {
        self.signature(text, name)?.verify(bundle)
    }

    /// Reads a signature that says it is by this key. Nothing else of it is checked before [`Signed::verify`].
    ///
    /// # Errors
    ///
    /// If it is no signature, or is by another key.
    pub(crate) fn signature(&self, text: &str, name: &str) -> Result<Signed> {
        // The library takes it for granted that the last line is a signature.
        let last = text.lines().nth(LINES - 1).and_then(|line| BASE64_STANDARD.decode(line).ok());
        if last.is_none_or(|bytes| bytes.len() != SIGNATURE_LEN) {
            return Err(malformed(name, "it has not the four lines of one"));
        }
        let signature = SignatureBox::from_string(text);
        let signature =
            signature.map_err(|_| malformed(name, "it has not the four lines of one"))?;
        if !signature.is_prehashed() {
            // The file would have to fit into memory.
            return Err(malformed(name, "it has the form of minisign before version 0.10"));
        }
        if signature.keynum() != self.0.keynum() {
            return Err(Error::OtherKey {
                path: name.to_owned(),
                found: id(signature.keynum()),
                expected: self.id(),
            });
        }
        Ok(Signed { key: self.clone(), signature, name: name.to_owned() })
    }
}

/// A signature that may be over a bundle.
pub(crate) struct Signed {
    key: BundleKey,
    signature: SignatureBox,
    /// The signature's file, for messages.
    name: String,
}

impl Signed {
    /// The text that was signed with the file, as long as the signature is right.
    pub(crate) fn comment(&self) -> Option<String> {
        self.signature.trusted_comment().ok()
    }

    /// Checks the signature over a bundle, from its start to its end.
    ///
    /// # Errors
    ///
    /// If it is over something else.
    pub(crate) fn verify(&self, bundle: &File) -> Result<Verified> {
        let failed = |source| Error::Io { action: "read", path: BUNDLE.to_owned(), source };
        let mut bundle = bundle;
        bundle.rewind().map_err(failed)?;
        match minisign::verify(&self.key.0, &self.signature, bundle, true, false, false) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Io) => {
                return Err(failed(io::Error::other(error)));
            }
            Err(_) => return Err(Error::WrongSignature { path: self.name.clone() }),
        }
        let comment = self.signature.trusted_comment();
        let comment =
            comment.map_err(|_| malformed(&self.name, "its trusted comment is no text"))?;
        Ok(Verified { comment: comment.to_string() })
    }
}

fn malformed(name: &str, reason: &'static str) -> Error {
    Error::NoBundleSignature { path: name.to_owned(), reason }
}

/// Whether a key is for the algorithm that the library uses, whatever the key says: Ed25519.
fn is_known(key: &PublicKey) -> bool {
    key.to_bytes().starts_with(b"Ed")
}

/// The place of a bundle's signature.
pub(crate) fn beside(bundle: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(bundle);
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a key's number as minisign does: the last byte first.
fn id(bytes: &[u8]) -> String {
    bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A file with this content.
    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    // From Debian's minisign 0.11: `minisign -G -W` and `minisign -S -t 'a comment' -m hello`, with `hello\n` in it.
    const KEY: &str = "RWSjT9z8m6h3xU9KTI8ku86sa2i9vaolMlFkuQCBVKArvlwh1WpiuWgK";
    const SIGNED: &str = "untrusted comment: signature from minisign secret key
RUSjT9z8m6h3xQEoe5Jw0PNgn/lga8yPKJmEJiyEggVVZqhNPRjxzFYcCtGswGzAQAoPq1y1Qhf6zx08e5L/vAj2XynBs8AL1Qs=
trusted comment: a comment
IKpNCRCihCux/BZgcA3IFLbVHSW88pfzGp2X6wUBNwltv8Aac1+bPLtMgx1tljlkikwMvCJ5uExyVVkQTpp0CA==
";

    #[test]
    fn signature_of_minisign_is_checked() {
        let key = BundleKey::parse(KEY).unwrap();
        let verify = |text: &str, content: &[u8]| key.verify(text, &file(content), "x.minisig");
        assert_eq!(verify(SIGNED, b"hello\n").unwrap().comment, "a comment");
        let wrong = |text: &str, content: &[u8]| verify(text, content).err().unwrap();
        assert!(matches!(wrong(SIGNED, b"hello"), Error::WrongSignature { .. }));
        let renamed = SIGNED.replace("a comment", "another comment");
        assert!(matches!(wrong(&renamed, b"hello\n"), Error::WrongSignature { .. }));
        let swapped = generate(&Protection::None).unwrap().public();
        let error = swapped.verify(SIGNED, &file(b"hello\n"), "x").err().unwrap();
        assert!(matches!(error, Error::OtherKey { found, .. } if found == key.id()));
        for end in 0..SIGNED.trim_end().len() {
            let error = wrong(&SIGNED[..end], b"hello\n");
            assert!(matches!(error, Error::NoBundleSignature { .. }), "{end}: {error}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "x", &KEY[1..], &format!("{KEY}="), &KEY.replacen("RW", "RX", 1)] {
            assert!(BundleKey::parse(text).is_none(), "{text}");
            let file = format!("untrusted comment: x\n{text}\n");
            assert!(BundleKey::parse_file(&file, "x").is_err(), "{text}");
        }
        assert!(BundleKey::parse_file(&format!("untrusted comment: x\n{KEY}\n"), "x").is_ok());
    }
}
