//! Changes single texts in XML files: AppStream's component IDs, the icons of MIME types.
//!
//! It finds tags by their names and leaves everything else as it is; comments are passed over.

use super::text::{Text, joined, kept};
use alloc::vec::Vec;

/// Returns the new text behind a tag; `None` for the old one.
pub(super) type Change<'a> = dyn FnMut(&[u8], &[u8]) -> Option<Text> + 'a;

/// Returns XML in which `change` has replaced texts that follow a start tag directly, and been told of the tag.
///
/// `change` gets the tag without its angle brackets, such as `launchable type="desktop-id"`, and the text up to the next
/// `<`; it returns the new text, or `None` for the old one.
pub(super) fn with_texts(xml: &[u8], change: &mut Change<'_>) -> Text {
    let mut new = Vec::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(start) = find(rest, b"<") {
        let (end, is_comment) = match rest[start..].strip_prefix(b"<!--") {
            Some(comment) => (find(comment, b"-->").map(|at| start + 4 + at + 3), true),
            None => (find(&rest[start..], b">").map(|at| start + at + 1), false),
        };
        let Some(end) = end else { break };
        new.extend_from_slice(&rest[..end]);
        let tag = &rest[start..end];
        rest = &rest[end..];
        if !is_comment {
            let text = &rest[..find(rest, b"<").unwrap_or(rest.len())];
            if let Some(changed) = change(&tag[1..tag.len() - 1], text) {
                new.extend_from_slice(changed);
                rest = &rest[text.len()..];
            }
        }
    }
    new.extend_from_slice(rest);
    kept(new)
}

/// Returns the value of a tag's attribute.
pub(super) fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = find(tag, joined(&[b" ", name, b"="]))?;
    let (quote, value) = tag[at + name.len() + 2..].split_first()?;
    Some(&value[..value.iter().position(|byte| byte == quote)?])
}

/// Returns a tag's name.
pub(super) fn name(tag: &[u8]) -> &[u8] {
    tag.split(u8::is_ascii_whitespace).next().unwrap_or(tag)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_replaced_and_the_rest_stays() {
        let xml = b"<?xml?><a><!-- <id>c</id> --><id>x</id><l t='d' k=\"e\">y</l><id/>z";
        let mut tags = Vec::new();
        let new = with_texts(xml, &mut |tag, text| {
            tags.push((name(tag).to_vec(), attribute(tag, b"k").map(<[u8]>::to_vec)));
            (text == b"x" || attribute(tag, b"t") == Some(b"d")).then(|| joined(&[text, b"!"]))
        });
        assert_eq!(new, b"<?xml?><a><!-- <id>c</id> --><id>x!</id><l t='d' k=\"e\">y!</l><id/>z");
        assert!(tags.contains(&(b"l".to_vec(), Some(b"e".to_vec()))));
        for odd in [&b"<"[..], b"<!--", b"<!-- -", b"a", b"", b"<a b=", b"<>", b"<a b=\"x>"] {
            assert_eq!(
                with_texts(odd, &mut |tag, _| attribute(tag, b"b").map(|value| joined(&[value]))),
                odd
            );
        }
    }
}
