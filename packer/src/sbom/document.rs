//! What the forms of a document share: its text, its identifier, its date.

use std::env;
use std::time::{Duration, SystemTime};

use format::Digest;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::show;

/// Returns the time that SPDX demands of a document: 1970, or what `SOURCE_DATE_EPOCH` says. The present time would make
/// other bytes each time. <https://reproducible-builds.org/specs/source-date-epoch/>
pub(super) fn date() -> Result<SystemTime> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    let set = env::var_os(VARIABLE).filter(|text| !text.is_empty());
    let Some(text) = set else { return Ok(SystemTime::UNIX_EPOCH) };
    let text = text.to_string_lossy();
    // The last second of the year 9999.
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds <= 253_402_300_799);
    let seconds = seconds.ok_or_else(|| Error::SourceDate { value: show::text(&text) })?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Returns a UUID that follows from a document without it: version 8 of RFC 9562, with the first bits of SHA-256.
pub(super) fn uuid(document: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of(document.as_bytes()).0[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = format!("{:032x}", u128::from_be_bytes(bytes));
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// Returns a document as text. Writing values of these types cannot fail.
pub(super) fn json(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_follow_from_the_content() {
        assert_eq!(uuid("abc"), "ba7816bf-8f01-8fea-8141-40de5dae2223");
        assert_ne!(uuid("abd"), uuid("abc"));
    }
}
