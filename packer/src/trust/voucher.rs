//! Who vouches for a store path of a bundle.

use format::PackedPath;

use crate::show;

use super::content_address::{self, Held, Naming};
use super::{TrustedKeys, fingerprint, references};

/// Who vouches for a store path, or why nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Voucher {
    /// This trusted key signed what the bundle holds.
    Signed(String),
    /// Its name, since it follows from what the bundle holds.
    Content,
    /// Nobody: files were left out, and signatures and names are for the whole.
    Partial,
    /// Nobody: the signature of this trusted key is for something else.
    WrongSignature(String),
    /// Nobody: its content address is for something else.
    WrongContent,
    /// Nobody that is trusted: the keys of the signatures are unknown.
    Untrusted(Vec<String>),
    /// Nobody: there is no signature.
    Unsigned,
    /// Nobody: the bundle does not keep what Nix knows of it.
    Unknown,
}

impl Voucher {
    /// Finds who vouches for a store path, which is one of `paths` and holds what was computed from the bundle.
    pub(crate) fn find(
        packed: &PackedPath,
        paths: &[PackedPath],
        held: &Held,
        keys: &TrustedKeys,
    ) -> Voucher {
        let Some(info) = &packed.info else {
            return if packed.is_partial { Voucher::Partial } else { Voucher::Unknown };
        };
        if packed.is_partial {
            return Voucher::Partial;
        }
        let signed = fingerprint(&packed.path, &held.nar, packed.nar_len, references(info, paths));
        if let Some(key) = keys.signer(&info.signatures, &signed) {
            return Voucher::Signed(key.to_owned());
        }
        let text = &info.content_address;
        match content_address::check(&packed.path, text, references(info, paths), held) {
            Naming::Fits => return Voucher::Content,
            Naming::Differs => return Voucher::WrongContent,
            Naming::Unknown => {}
        }
        let mut names: Vec<String> =
            info.signatures.iter().map(|signature| signature.key.clone()).collect();
        names.dedup();
        match names.iter().find(|name| keys.has(name)) {
            Some(name) => Voucher::WrongSignature(name.clone()),
            None if names.is_empty() => Voucher::Unsigned,
            None => Voucher::Untrusted(names),
        }
    }

    /// One word for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Voucher::Signed(_) => "signed",
            Voucher::Content => "content-addressed",
            Voucher::Partial => "partial",
            Voucher::WrongSignature(_) | Voucher::WrongContent => "wrong",
            Voucher::Untrusted(_) => "untrusted",
            Voucher::Unsigned => "unsigned",
            Voucher::Unknown => "unknown",
        }
    }

    /// Why nobody vouches for it; empty if somebody does.
    pub(crate) fn reason(&self) -> String {
        match self {
            Voucher::Signed(_) | Voucher::Content => String::new(),
            Voucher::Partial => "files were left out when it was packed".to_owned(),
            Voucher::WrongSignature(key) => format!("the signature of {key} is for something else"),
            Voucher::WrongContent => "its content address is for something else".to_owned(),
            Voucher::Untrusted(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| show::text(key)).collect();
                format!("it is signed by {}, whom nothing says to trust", keys.join(", "))
            }
            Voucher::Unsigned => "it has no signature".to_owned(),
            Voucher::Unknown => "the bundle does not keep its signatures".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use format::{Digest, PathInfo, Signature, StorePath};

    use super::*;
    use crate::trust::{PublicKey, hash, signature};

    const NAR: &str = "sha256:1a2x4zfi20fkjs9ixkcdnin3jbjrkrvxaw18l09mv214rl1s40wl";
    const KEY: &str = "test-1:Qy9nD4ocwTXluKP27VIr0uRcri/XyUVd/kfGLBFR1Fs=";
    const SIGNATURE: &str = "test-1:t2GhdkmtROY7wp/k6aV88h1drVieLvbVdiGxnVaWnQQ74pIFmljpbHaV0BXuxElGxGgjkPqkW5kQNF3+k5u6AA==";

    /// The store path and the signature of `key::tests`, with a reference that is not packed.
    fn packed() -> PackedPath {
        let path = |base_name: &[u8]| StorePath::parse(base_name).unwrap();
        PackedPath {
            path: path(b"acr353yczai9d28pz3qww50nh7vf7ys5-libgcc-s1-12.2.0"),
            nar_hash: hash::sha256(NAR).unwrap(),
            nar_len: 126_560,
            key: Digest::of(b""),
            references: Vec::new(),
            is_partial: false,
            info: Some(PathInfo {
                elsewhere: vec![path(b"b9fnp2cbyg1b4dfgz29dcngdsc7b80pa-gcc-12-base-12.2.0")],
                signatures: vec![signature::parse(SIGNATURE).unwrap()],
                ..PathInfo::default()
            }),
        }
    }

    #[test]
    fn reasons_are_told_apart() {
        let whole = Held { nar: hash::sha256(NAR).unwrap(), file: None };
        let other = Held { nar: Digest::of(b"other"), file: None };
        let keys = |texts: &[&str]| {
            TrustedKeys(texts.iter().map(|text| PublicKey::parse(text).unwrap()).collect())
        };
        let (trusted, none) = (keys(&[KEY]), keys(&[]));
        let impostor = keys(&[&format!("test-1:{}=", "A".repeat(43)), KEY]);
        let with = |change: fn(&mut PathInfo)| {
            let mut packed = packed();
            change(packed.info.as_mut().unwrap());
            packed
        };
        let unknown = PackedPath { info: None, ..packed() };
        let partial = PackedPath { is_partial: true, ..packed() };
        let neither = PackedPath { is_partial: true, info: None, ..packed() };
        let unsigned = with(|info| info.signatures.clear());
        let fewer = with(|info| info.elsewhere.clear());
        let altered = with(|info| info.signatures[0].bytes[5] ^= 1);
        let renamed = with(|info| info.signatures[0].key = "other-1".into());
        let addressed = with(|info| info.content_address = format!("fixed:r:{NAR}"));
        let copied = with(|info| {
            info.signatures.insert(0, Signature { key: "a-1".into(), bytes: [1; 64] });
        });
        let signed = Voucher::Signed("test-1".into());
        let wrong = Voucher::WrongSignature("test-1".into());
        for (packed, held, keys, expected) in [
            (packed(), whole, &trusted, signed.clone()),
            (packed(), whole, &impostor, signed.clone()),
            (copied, whole, &trusted, signed.clone()),
            (packed(), whole, &none, Voucher::Untrusted(vec!["test-1".into()])),
            (packed(), other, &trusted, wrong.clone()),
            (fewer, whole, &trusted, wrong.clone()),
            (altered, whole, &trusted, wrong),
            (renamed, whole, &trusted, Voucher::Untrusted(vec!["other-1".into()])),
            (unsigned, whole, &trusted, Voucher::Unsigned),
            (addressed.clone(), whole, &trusted, signed),
            (addressed, whole, &none, Voucher::WrongContent),
            (unknown, whole, &trusted, Voucher::Unknown),
            (partial, whole, &trusted, Voucher::Partial),
            (neither, whole, &trusted, Voucher::Partial),
        ] {
            let found = Voucher::find(&packed, &[], &held, keys);
            assert_eq!(found, expected);
            let is_vouched = matches!(found, Voucher::Signed(_) | Voucher::Content);
            assert_eq!(found.reason().is_empty(), is_vouched);
        }
    }
}
