//! What a binary cache says of a store path: the file `<hash>.narinfo`.
//!
//! The fields are those of `NarInfo` in Nix's source. Who wrote it is checked later, by its signatures.

use format::{Digest, StorePath};

use super::compression::Compression;
use crate::source::path_info::Known;
use crate::trust::{hash, signature};

/// The most signatures of a store path. Nobody signs their number, and the bundle keeps them all.
const SIGNATURES: usize = 100;

/// The most bytes of a key's name or a content address: far more than Nix writes.
const SHORT_LEN: usize = 256;

/// A store path in a binary cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NarInfo {
    pub(crate) path: StorePath,
    /// Where its NAR is: below the cache, or a whole URL.
    pub(crate) url: String,
    pub(crate) compression: Compression,
    /// The digest of the compressed NAR.
    pub(crate) file_hash: Option<Digest>,
    /// Bytes of the compressed NAR.
    pub(crate) file_len: Option<u64>,
    /// What the signatures are over, and what is kept of it.
    pub(crate) known: Known,
}

/// Why a narinfo cannot be used.
pub(crate) type Reason = String;

/// Parses a narinfo. Fields that it does not know are left out, as Nix does.
///
/// # Errors
///
/// The reason, if a field that is needed is missing or wrong, or is there twice.
pub(crate) fn parse(text: &[u8]) -> Result<NarInfo, Reason> {
    let text = str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut fields = Fields::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a line has no colon")?;
        fields.set(name, value.trim())?;
    }
    let Fields { signatures, .. } = fields;
    if signatures.len() > SIGNATURES {
        return Err(format!("it has more than {SIGNATURES} signatures"));
    }
    let path = StorePath::parse_full(needed(fields.path, "StorePath")?.as_bytes());
    let digest = |value: &str, name| {
        hash::sha256(value).ok_or_else(|| format!("{name} is not a SHA-256 digest"))
    };
    let number = |value: &str, name| {
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|_| is_number);
        number.ok_or_else(|| format!("{name} is not a number"))
    };
    let base_name = |text: &str| {
        StorePath::parse(text.as_bytes()).map_err(|_| "a reference is no store path".to_owned())
    };
    Ok(NarInfo {
        path: path.map_err(|_| "StorePath is no store path")?,
        url: needed(fields.url, "URL")?.to_owned(),
        // Nix takes a narinfo without this field, or with an empty one, for one of the first caches.
        compression: match fields.compression.unwrap_or_default() {
            "" => Compression::Bzip2,
            name => Compression::parse(name)?,
        },
        file_hash: fields.file_hash.map(|value| digest(value, "FileHash")).transpose()?,
        file_len: fields.file_len.map(|value| number(value, "FileSize")).transpose()?,
        known: Known {
            nar_hash: digest(needed(fields.nar_hash, "NarHash")?, "NarHash")?,
            nar_len: number(needed(fields.nar_len, "NarSize")?, "NarSize")?,
            // Who leaves out the field has signed that there are none.
            references: fields
                .references
                .unwrap_or_default()
                .split_whitespace()
                .map(base_name)
                .collect::<Result<_, Reason>>()?,
            deriver: match fields.deriver {
                None | Some("" | "unknown-deriver") => None,
                Some(deriver) => Some(base_name(deriver).map_err(|_| "Deriver is no store path")?),
            },
            content_address: match fields.content_address {
                None | Some("") => String::new(),
                Some(text) if is_content_address(text) => text.to_owned(),
                Some(_) => return Err("CA is no content address".to_owned()),
            },
            // One that is malformed is no signature by a trusted key.
            signatures: signatures
                .iter()
                .filter_map(|text| signature::parse(text))
                .filter(|signature| signature.key.len() <= SHORT_LEN)
                .collect(),
        },
    })
}

/// Whether a text has the form of Nix's content addresses, whatever the hash in it is.
fn is_content_address(text: &str) -> bool {
    let is_form = ["text:", "fixed:"].iter().any(|start| text.starts_with(start));
    is_form && text.len() <= SHORT_LEN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn needed<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Reason> {
    value.ok_or_else(|| format!("{name} is missing"))
}

#[derive(Default)]
struct Fields<'a> {
    path: Option<&'a str>,
    url: Option<&'a str>,
    compression: Option<&'a str>,
    file_hash: Option<&'a str>,
    file_len: Option<&'a str>,
    nar_hash: Option<&'a str>,
    nar_len: Option<&'a str>,
    references: Option<&'a str>,
    deriver: Option<&'a str>,
    content_address: Option<&'a str>,
    signatures: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, name: &str, value: &'a str) -> Result<(), Reason> {
        let field = match name {
            "StorePath" => &mut self.path,
            "URL" => &mut self.url,
            "Compression" => &mut self.compression,
            "FileHash" => &mut self.file_hash,
            "FileSize" => &mut self.file_len,
            "NarHash" => &mut self.nar_hash,
            "NarSize" => &mut self.nar_len,
            "References" => &mut self.references,
            "Deriver" => &mut self.deriver,
            "CA" => &mut self.content_address,
            "Sig" => {
                self.signatures.push(value);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("{name} is there twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "StorePath: /nix/store/acr353yczai9d28pz3qww50nh7vf7ys5-libgcc-s1-12.2.0
URL: nar/0nz9ysm8kgsdpxy8vm7n8pqznj7dgbmdzv01mvmbliigspc557mj.nar.zst
Compression: zstd
FileHash: sha256:0nz9ysm8kgsdpxy8vm7n8pqznj7dgbmdzv01mvmbliigspc557mj
FileSize: 60978
NarHash: sha256:1a2x4zfi20fkjs9ixkcdnin3jbjrkrvxaw18l09mv214rl1s40wl
NarSize: 126560
References: b9fnp2cbyg1b4dfgz29dcngdsc7b80pa-gcc-12-base-12.2.0
Deriver: vd0lrbsw6x7xijc1qvmxal9xg60010wl-libgcc-s1-12.2.0.drv
Sig: test-1:t2GhdkmtROY7wp/k6aV88h1drVieLvbVdiGxnVaWnQQ74pIFmljpbHaV0BXuxElGxGgjkPqkW5kQNF3+k5u6AA==
";

    #[test]
    fn fields_are_read() {
        let info = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(info.path.name(), "libgcc-s1-12.2.0");
        assert_eq!((info.compression, info.file_len), (Compression::Zstd, Some(60_978)));
        assert_eq!((info.known.nar_len, info.known.references.len()), (126_560, 1));
        assert_eq!(info.known.deriver.unwrap().name(), "libgcc-s1-12.2.0.drv");
        assert_eq!(info.known.signatures[0].key, "test-1");
        let long = GOOD.replace("test-1", &"x".repeat(300));
        assert!(parse(long.as_bytes()).unwrap().known.signatures.is_empty());
        let short = GOOD.lines().filter(|line| {
            !["Compression", "FileHash", "FileSize", "References", "Deriver", "Sig"]
                .iter()
                .any(|name| line.starts_with(name))
        });
        let info = parse(short.collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
        assert_eq!((info.compression, info.file_len), (Compression::Bzip2, None));
        assert!(info.known.signatures.is_empty() && info.known.references.is_empty());
        let empty = GOOD.replace("Compression: zstd", "Compression: ");
        assert_eq!(parse(empty.as_bytes()).unwrap().compression, Compression::Bzip2);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (from, to, expected) in [
            ("StorePath: ", "Path: ", "StorePath is missing"),
            ("/nix/store/", "/gnu/store/", "StorePath is no store path"),
            ("URL: ", "Url: ", "URL is missing"),
            ("zstd", "rot13", "its compression rot13 is not known"),
            ("60978", "-1", "FileSize is not a number"),
            ("126560", "", "NarSize is not a number"),
            ("126560", "99999999999999999999", "NarSize is not a number"),
            ("NarHash: sha256", "NarHash: md5", "NarHash is not a SHA-256 digest"),
            ("References: b9f", "References: ../b9f", "a reference is no store path"),
            ("Deriver: v", "Deriver: ..v", "Deriver is no store path"),
            ("Deriver", "URL", "URL is there twice"),
            ("NarSize: ", "NarSize ", "a line has no colon"),
            ("Deriver: ", "CA: x\nDeriver: ", "CA is no content address"),
            ("Deriver: ", "CA: text:\u{1b}\nDeriver: ", "CA is no content address"),
            ("Sig: ", &format!("CA: text:{}\nSig: ", "x".repeat(300)), "CA is no content address"),
            ("Sig: ", &"Sig: \n".repeat(101), "it has more than 100 signatures"),
        ] {
            let error = parse(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert_eq!(error, expected, "{from}");
        }
        assert_eq!(parse(b"\xff").unwrap_err(), "it is not text");
    }
}
