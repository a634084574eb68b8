//! Nix's texts of a SHA-256 hash, in all of its notations.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use format::Digest;

/// Hexadecimal digits of a digest.
const HEX_LEN: usize = 64;

/// Parses `sha256:` with base 16, 32 or 64 behind it, or `sha256-` with base 64, as in the Subresource Integrity
/// specification.
///
/// Returns `None` if it is another kind of hash, or none.
pub(crate) fn sha256(text: &str) -> Option<Digest> {
    let text = text.strip_prefix("sha256")?;
    if let Some(base64) = text.strip_prefix('-') {
        return parse_base64(base64);
    }
    let digits = text.strip_prefix(':')?;
    let base32 = || Digest::parse_base32(digits.as_bytes().try_into().ok()?);
    // The lengths differ: 64, 52 and 44.
    parse_hex(digits).or_else(base32).or_else(|| parse_base64(digits))
}

/// Writes `sha256:` and base 32.
pub(crate) fn text(digest: &Digest) -> String {
    format!("sha256:{}", String::from_utf8_lossy(&digest.base32()))
}

fn parse_base64(text: &str) -> Option<Digest> {
    Some(Digest(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}

fn parse_hex(text: &str) -> Option<Digest> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let values: Option<Vec<u32>> = text.as_bytes().iter().map(value).collect();
    let values = values.filter(|values| values.len() == HEX_LEN)?;
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |all, value| all << 4 | value)).ok();
    let bytes: Option<Vec<u8>> = values.chunks(2).map(byte).collect();
    Some(Digest(bytes?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_notations_are_read() {
        // From `nix-hash --type sha256 --to-base16`, `--to-base32` and `nix hash to-sri`.
        let digest = Digest::of(b"abc");
        for notation in [
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
            "sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ] {
            assert_eq!(sha256(notation), Some(digest), "{notation}");
        }
        assert_eq!(sha256(&text(&digest)), Some(digest));
        for wrong in [
            "",
            "sha256",
            "sha256:",
            "sha256-",
            "sha1:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
            "sha256-1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
            "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5",
            "sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha512-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ] {
            assert_eq!(sha256(wrong), None, "{wrong}");
        }
    }
}
