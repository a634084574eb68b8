//! The header `Content-Range` of an answer to a range: RFC 9110, section 14.4.

use std::ops::Range;

use ureq::Body;
use ureq::http::Response;
use ureq::http::header::CONTENT_RANGE;

/// The bytes that an answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// Never empty.
    pub(crate) range: Range<u64>,
    /// Bytes of the whole file, if the server says it.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// Reads the header of an answer; `None` if there is none or it is malformed.
    pub(crate) fn of(response: &Response<Body>) -> Option<ContentRange> {
        ContentRange::parse(response.headers().get(CONTENT_RANGE)?.as_bytes())
    }

    /// Parses `bytes FIRST-LAST/TOTAL`, where `*` stands for a total that the server does not know.
    pub(crate) fn parse(text: &[u8]) -> Option<ContentRange> {
        let text = str::from_utf8(text).ok()?;
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, total) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        let is_range = first < end && total.is_none_or(|total| end <= total);
        (unit.eq_ignore_ascii_case("bytes") && is_range)
            .then_some(ContentRange { range: first..end, total })
    }
}

/// Parses digits; a sign is none.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let max = u64::MAX;
        for (text, expected) in [
            ("bytes 0-0/1", Some((0..1, Some(1)))),
            ("bytes 42-1233/1234", Some((42..1234, Some(1234)))),
            ("Bytes 42-1233/*", Some((42..1234, None))),
            ("bytes 0-18446744073709551614/*", Some((0..max, None))),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 0-18446744073709551616/*", None),
            ("bytes */1234", None),
            ("bytes 1-0/5", None),
            ("bytes 0-5/5", None),
            ("bytes +0-4/5", None),
            ("bytes -0-4/5", None),
            ("bytes 0-4/", None),
            ("bytes 0-4", None),
            ("bytes 0-/5", None),
            ("bytes=0-4/5", None),
            ("items 0-4/5", None),
            ("0-4/5", None),
            ("", None),
        ] {
            let expected = expected.map(|(range, total)| ContentRange { range, total });
            assert_eq!(ContentRange::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(ContentRange::parse(b"bytes 0-\xff/5"), None);
    }
}
