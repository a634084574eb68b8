//! Reads the JSON of `nix path-info`, which has several forms.
//!
//! - Nix 2.0 to 2.18: a list of objects; each has a "path".
//! - Nix 2.19 and later: one object, whose keys are full paths.
//! - Format 2 and later: that object is below "info", and store paths are base names. Hashes are objects or of the
//!   form `sha256-…`, and in format 3 signatures are objects.
//!
//! Nix's manual, "Store object info JSON format".

use format::{Signature, StorePath};
use serde_json::Value;

use super::{Known, KnownPaths};
use crate::trust::{hash, signature};

/// Parses the output. Store paths that Nix does not know (`null`) are left out, and so are those without a NAR hash.
///
/// # Errors
///
/// If it has none of the forms; the text says what is wrong.
pub(super) fn parse(output: &[u8]) -> Result<KnownPaths, &'static str> {
    let value: Value = serde_json::from_slice(output).map_err(|_| "its answer is no JSON")?;
    let value = value.get("info").unwrap_or(&value);
    let entry = |path: Option<StorePath>, object: &Value| {
        let path = path.ok_or("its answer has a key that is not a store path")?;
        Ok(known(object).map(|known| (path, known)))
    };
    let all: Result<Vec<_>, _> = match value {
        Value::Array(list) => list.iter().map(|object| entry(path_in(object), object)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, object)| entry(store_path(key), object)).collect()
        }
        _ => Err("its answer is neither a list nor an object"),
    };
    Ok(all?.into_iter().flatten().collect())
}

fn path_in(object: &Value) -> Option<StorePath> {
    store_path(object.get("path")?.as_str()?)
}

/// Parses a full path or a base name.
fn store_path(text: &str) -> Option<StorePath> {
    let text = text.as_bytes();
    StorePath::parse_full(text).or_else(|_| StorePath::parse(text)).ok()
}

/// Reads one store path's object; `None` if it does not say what a signature is over.
fn known(object: &Value) -> Option<Known> {
    let list = |name: &str| object.get(name).and_then(Value::as_array).into_iter().flatten();
    let path = |value: &Value| value.as_str().and_then(store_path);
    Some(Known {
        nar_hash: hash::sha256(&hash_text(object.get("narHash")?)?)?,
        nar_len: object.get("narSize")?.as_u64()?,
        // One that is no store path would be missing in the fingerprint.
        references: list("references").map(path).collect::<Option<_>>()?,
        deriver: object.get("deriver").and_then(path),
        content_address: object.get("ca").and_then(content_address).unwrap_or_default(),
        signatures: list("signatures").filter_map(signature).collect(),
    })
}

/// The text of a hash: `sha256:…` or `sha256-…`.
fn hash_text(value: &Value) -> Option<String> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    match (value.as_str(), field("format")) {
        (Some(text), _) => Some(text.to_owned()),
        (None, Some("base16" | "base32" | "nix32" | "base64")) => {
            Some(format!("{}:{}", field("algorithm")?, field("hash")?))
        }
        _ => None,
    }
}

/// Nix's text of a content address: format 2 has the method and the hash apart.
fn content_address(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let method = match value.get("method")?.as_str()? {
        "text" => "text:",
        "flat" => "fixed:",
        "nar" => "fixed:r:",
        "git" => "fixed:git:",
        _ => return None,
    };
    let text = hash_text(value.get("hash")?)?;
    // Others, such as SHA-1, are kept as they are: nothing computes them again.
    Some(match hash::sha256(&text) {
        Some(digest) => format!("{method}{}", hash::text(&digest)),
        None => format!("{method}{}", text.replacen('-', ":", 1)),
    })
}

fn signature(value: &Value) -> Option<Signature> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    match value.as_str() {
        Some(text) => signature::parse(text),
        None => signature::parse(&format!("{}:{}", field("keyName")?, field("sig")?)),
    }
}

#[cfg(test)]
mod tests {
    use format::{Digest, STORE_DIR};

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC};

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const BASE32: &str = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
    const BASE64: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

    fn path(base_name: &str) -> StorePath {
        StorePath::parse(base_name.as_bytes()).unwrap()
    }

    /// Puts store paths, hashes and a signature in place of their names.
    fn filled(text: &str) -> String {
        let sig = format!("{}==", "A".repeat(86));
        let full = |base_name| format!("{STORE_DIR}/{base_name}");
        [
            ("FULL_BASH", full(BASH)),
            ("FULL_GLIBC", full(GLIBC)),
            ("BASH", BASH.to_owned()),
            ("GLIBC", GLIBC.to_owned()),
            ("HEX", HEX.to_owned()),
            ("BASE32", BASE32.to_owned()),
            ("BASE64", BASE64.to_owned()),
            ("SIG", sig),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    #[test]
    fn all_forms_say_the_same() {
        let fields = r#""narHash": "sha256-BASE64", "narSize": 7, "ca": "fixed:r:sha256:BASE32",
            "references": ["FULL_GLIBC", "FULL_BASH"], "deriver": "FULL_BASH.drv",
            "signatures": ["a-1:SIG", "not a signature"], "registrationTime": 1, "ultimate": true"#;
        let old = fields.replace("sha256-BASE64", "sha256:BASE32");
        let structured = r#""ca": {"method": "nar", "hash": {"algorithm": "sha256", "format": "base16", "hash": "HEX"}},
            "narHash": {"algorithm": "sha256", "format": "base64", "hash": "BASE64"}, "narSize": 7,
            "references": ["GLIBC", "BASH"], "deriver": "BASH.drv", "storeDir": "/nix/store","#;
        let text = r#""signatures": ["a-1:SIG"]"#;
        let object = r#""signatures": [{"keyName": "a-1", "sig": "SIG"}]"#;
        let sri = structured.replace(
            r#"{"algorithm": "sha256", "format": "base16", "hash": "HEX"}"#,
            r#""sha256-BASE64""#,
        );
        let unknown = r#"{"path": "FULL_GLIBC", "valid": false}"#;
        for form in [
            format!(r#"[{{"path": "FULL_BASH", {fields}}}, {unknown}]"#),
            format!(r#"[{{"path": "FULL_BASH", {old}}}]"#),
            format!(r#"{{"FULL_BASH": {{{fields}}}, "FULL_GLIBC": null}}"#),
            format!(r#"{{"version": 2, "info": {{"BASH": {{{structured} {text}}}}}}}"#),
            format!(r#"{{"storeDir": "/nix/store", "info": {{"BASH": {{{sri} {object}}}}}}}"#),
        ] {
            let known = parse(filled(&form).as_bytes()).unwrap();
            let expected = Known {
                nar_hash: Digest::of(b"abc"),
                nar_len: 7,
                references: vec![path(GLIBC), path(BASH)],
                deriver: Some(path(&format!("{BASH}.drv"))),
                content_address: format!("fixed:r:sha256:{BASE32}"),
                signatures: vec![Signature { key: "a-1".into(), bytes: [0; 64] }],
            };
            assert_eq!(known, [(path(BASH), expected)].into(), "{form}");
        }
    }

    #[test]
    fn missing_fields_are_tolerated() {
        for (form, expected) in [
            ("[]", 0),
            ("{}", 0),
            (r#"[{"path": "FULL_BASH", "narHash": "sha256:HEX", "narSize": 7}]"#, 1),
            (
                r#"{"FULL_BASH": {"narHash": "sha256:HEX", "narSize": 7, "ca": null, "deriver": null}}"#,
                1,
            ),
            (r#"{"FULL_BASH": {"narHash": "sha256:HEX"}}"#, 0),
            (r#"{"FULL_BASH": {"narSize": 7}}"#, 0),
            (r#"{"FULL_BASH": {"narHash": "sha1:HEX", "narSize": 7}}"#, 0),
            (r#"{"FULL_BASH": {"narHash": "sha256:HEX", "narSize": 7, "references": ["x"]}}"#, 0),
        ] {
            let known = parse(filled(form).as_bytes()).unwrap();
            assert_eq!(known.len(), expected, "{form}");
            assert!(known.values().all(|known| known.content_address.is_empty()));
        }
        for wrong in ["", "1", "[{}]", r#"[{"path": "/x"}]"#, r#"{"x": {}}"#] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn content_addresses_have_one_text() {
        for (method, expected) in
            [("text", "text:"), ("flat", "fixed:"), ("nar", "fixed:r:"), ("git", "fixed:git:")]
        {
            let value = serde_json::json!({"method": method, "hash": format!("sha256-{BASE64}")});
            assert_eq!(content_address(&value), Some(format!("{expected}sha256:{BASE32}")));
        }
        let value = serde_json::json!({"method": "flat", "hash": "sha1-AAAA"});
        assert_eq!(content_address(&value).as_deref(), Some("fixed:sha1:AAAA"));
    }
}
