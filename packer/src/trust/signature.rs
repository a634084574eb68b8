//! Nix's text of a signature: the key's name, a colon and base 64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use format::Signature;

/// Parses a signature; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<Signature> {
    let (key, bytes) = split(text)?;
    Some(Signature { key: key.to_owned(), bytes: bytes.try_into().ok()? })
}

/// Writes a signature.
pub(crate) fn text(signature: &Signature) -> String {
    format!("{}:{}", signature.key, BASE64_STANDARD.encode(signature.bytes))
}

/// Splits a key or a signature: its name, and the bytes.
pub(super) fn split(text: &str) -> Option<(&str, Vec<u8>)> {
    let (name, base64) = text.trim().split_once(':')?;
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then_some((name, BASE64_STANDARD.decode(base64).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let line = format!("a-1:{}", BASE64_STANDARD.encode([7; 64]));
        let signature = parse(&line).unwrap();
        assert_eq!((signature.key.as_str(), signature.bytes), ("a-1", [7; 64]));
        assert_eq!(text(&signature), line);
        for wrong in
            ["", "a-1", "a-1:", ":AAAA", "a-1:AAAA", "a 1:AAAA", "a-1:!", &line[..line.len() - 1]]
        {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
