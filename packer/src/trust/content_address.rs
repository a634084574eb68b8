//! Store paths whose names follow from their content: nobody has to vouch for these.
//!
//! The rules are those of Nix's manual, "Store Path" in the chapter on protocols (`makeTextPath` and
//! `makeFixedOutputPath` in its source).

use format::{Digest, STORE_DIR, StoreHash, StorePath};

use super::hash;

/// What a store path holds, computed from its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// SHA-256 of its NAR.
    pub(crate) nar: Digest,
    /// SHA-256 of its content, if it is a regular file that is not executable.
    pub(crate) file: Option<Digest>,
}

/// Whether the name of a store path follows from what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// It does.
    Fits,
    /// It does not: the content or the content address was altered.
    Differs,
    /// Nobody can tell: it has no content address, or one that is not computed here, such as one with SHA-1.
    Unknown,
}

/// How the content becomes the hash that the name is made of.
#[derive(Clone, Copy)]
enum Method {
    Text,
    Flat,
    Nar,
}

/// Compares the name of a store path with what it holds.
///
/// `text` is Nix's content address: `text:sha256:…`, `fixed:sha256:…` or `fixed:r:sha256:…`. `references` are all of its
/// references. One to itself makes the result unknown: its hash is one of the files without that reference.
pub(crate) fn check<'a>(
    path: &StorePath,
    text: &str,
    references: impl Iterator<Item = &'a StorePath>,
    held: &Held,
) -> Naming {
    let Some((method, digest)) = parse(text) else { return Naming::Unknown };
    let mut references: Vec<&StorePath> = references.collect();
    if references.contains(&path) {
        return Naming::Unknown;
    }
    references.sort_by(|a, b| a.base_name().cmp(&b.base_name()));
    references.dedup();
    let found = match method {
        Method::Nar => Some(held.nar),
        Method::Text | Method::Flat => held.file,
    };
    let is_content = found == Some(digest);
    match name(method, &digest, &references, path.name()) {
        Some(hash) if is_content && hash == path.hash() => Naming::Fits,
        _ => Naming::Differs,
    }
}

/// Compares the name of a store path with its content address, whose digest of a file, if it has one, is taken as right.
pub(crate) fn claimed<'a>(
    path: &StorePath,
    text: &str,
    references: impl Iterator<Item = &'a StorePath>,
    nar: Digest,
) -> Naming {
    check(path, text, references, &Held { nar, file: file(text) })
}

/// The digest that a content address says the file has; `None` if it is about a NAR.
pub(crate) fn file(text: &str) -> Option<Digest> {
    match parse(text)? {
        (Method::Text | Method::Flat, digest) => Some(digest),
        (Method::Nar, _) => None,
    }
}

fn parse(text: &str) -> Option<(Method, Digest)> {
    let (method, hash) = if let Some(hash) = text.strip_prefix("text:") {
        (Method::Text, hash)
    } else if let Some(hash) = text.strip_prefix("fixed:r:") {
        (Method::Nar, hash)
    } else {
        (Method::Flat, text.strip_prefix("fixed:")?)
    };
    Some((method, hash::sha256(hash)?))
}

/// Computes the hash in a store path's name; `None` if there can be no such store path.
fn name(
    method: Method,
    digest: &Digest,
    references: &[&StorePath],
    name: &str,
) -> Option<StoreHash> {
    let kind = |kind: &str| {
        let references = references.iter().map(|path| format!(":{STORE_DIR}/{path}"));
        kind.to_owned() + &references.collect::<String>()
    };
    let (kind, digest) = match method {
        Method::Text => (kind("text"), *digest),
        Method::Nar => (kind("source"), *digest),
        // Nix scans only what it serialises as a NAR.
        Method::Flat if !references.is_empty() => return None,
        Method::Flat => {
            ("output:out".to_owned(), Digest::of(format!("fixed:out:sha256:{digest}:").as_bytes()))
        }
    };
    let fingerprint = format!("{kind}:sha256:{digest}:{STORE_DIR}:{name}");
    Some(fold(&Digest::of(fingerprint.as_bytes())))
}

/// Shortens a digest to that of a store path, as `compressHash` in Nix.
fn fold(digest: &Digest) -> StoreHash {
    let mut hash = StoreHash([0; 20]);
    for (number, byte) in digest.0.iter().enumerate() {
        hash.0[number % 20] ^= byte;
    }
    hash
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    /// From Nix 2.8: `nix-store --add`, `--add-fixed sha256`, `builtins.toFile`, and `nix store make-content-addressed`.
    #[test]
    fn names_are_those_of_nix() {
        let path = |base_name: &str| StorePath::parse(base_name.as_bytes()).unwrap();
        let digest = |base32: &str| hash::sha256(&format!("sha256:{base32}")).unwrap();
        let file = "00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq";
        for (base_name, method, hash, references) in [
            (
                "l4bclnhx3jcxcfz9j97fxhvizx1xy1gg-dir",
                "fixed:r:",
                "0sldaa6dd6dsfm1c7f8z9i32dfhn53aw1kyrlid1naa7hb6biy4v",
                &[][..],
            ),
            (
                "nfc8slh9sz4g3pzbqcif1lf7916bxgsm-hello",
                "fixed:r:",
                "0hcjgj0rhxswfhlq97wdkky0r6snm0v4axljr9bwinkks8z5i2id",
                &["y0ndwyi3w7mcaf6443qg8i3qbg0dwpga-greeting"],
            ),
            ("1vap48aqggkk52ijn2prxzxv7cnzvs0w-file", "fixed:", file, &[]),
            ("q3laishhmk84vl44j1973qpzkyhmr90c-text", "text:", file, &[]),
            (
                "hk5q96jvzbxxw8ac8mxxddjzdc9mnr6v-ref",
                "text:",
                "0x0fqs08j93gnp813v4pki0g0xsgdd78s5wv5l53id6wjq1d6wmq",
                &["q3laishhmk84vl44j1973qpzkyhmr90c-text"],
            ),
        ] {
            let (name, text) = (path(base_name), format!("{method}sha256:{hash}"));
            let (digest, none) = (digest(hash), Digest::of(b"other"));
            let held = match method {
                "fixed:r:" => Held { nar: digest, file: None },
                _ => Held { nar: none, file: Some(digest) },
            };
            let references: Vec<StorePath> = references.iter().map(|name| path(name)).collect();
            let check = |name: &StorePath, more: &[StorePath], held: Held| {
                super::check(name, &text, references.iter().chain(more), &held)
            };
            assert_eq!(check(&name, &[], held), Naming::Fits, "{base_name}");
            // In any order, and more than once.
            assert_eq!(check(&name, &references, held), Naming::Fits, "{base_name}");
            let other = Held { nar: none, file: Some(none) };
            assert_eq!(check(&name, &[], other), Naming::Differs, "{base_name}");
            let program = Held { nar: none, file: None };
            assert_eq!(check(&name, &[], program), Naming::Differs, "{base_name}");
            let more = [path("mdqbvva59jscqy50km1a26xisr7vsjz5-more")];
            assert_eq!(check(&name, &more, held), Naming::Differs, "{base_name}");
            let renamed = StorePath::new(name.hash(), b"renamed").unwrap();
            assert_eq!(check(&renamed, &[], held), Naming::Differs, "{base_name}");
            assert_eq!(check(&name, slice::from_ref(&name), held), Naming::Unknown, "{base_name}");
        }
    }

    #[test]
    fn references_are_part_of_the_name() {
        let path = StorePath::parse(b"hk5q96jvzbxxw8ac8mxxddjzdc9mnr6v-ref").unwrap();
        let text = "text:sha256:0x0fqs08j93gnp813v4pki0g0xsgdd78s5wv5l53id6wjq1d6wmq";
        let digest = parse(text).unwrap().1;
        let held = Held { nar: digest, file: Some(digest) };
        assert_eq!(check(&path, text, [].into_iter(), &held), Naming::Differs);
    }

    #[test]
    fn other_addresses_are_unknown() {
        let path = StorePath::parse(b"l5iffh8kph4i94caqw5n922jv21iqsnn-file").unwrap();
        let held = Held { nar: Digest::of(b""), file: None };
        for text in [
            "",
            "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm",
            "fixed:r:sha1:xkhcd8dhk6h23ys3piz8irxjgz43vh2g",
            "fixed:git:sha1:xkhcd8dhk6h23ys3piz8irxjgz43vh2g",
            "text:sha256:",
            "sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq",
        ] {
            assert_eq!(check(&path, text, [].into_iter(), &held), Naming::Unknown, "{text}");
        }
    }
}
