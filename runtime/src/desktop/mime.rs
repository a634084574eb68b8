//! Lists of MIME types: those of the closure name its icons.
//!
//! <https://specifications.freedesktop.org/shared-mime-info-spec> has their form.

use alloc::vec::Vec;

use super::icons::{self, NewIcons};
use super::markup::{attribute, name, with_texts};
use super::text::{Text, copied, flat, joined};

/// Returns the names of the icons of all types in a list: those that they have by default, and those that are named.
pub(super) fn icons(xml: &[u8]) -> Vec<Text> {
    let mut icons = Vec::new();
    with_texts(xml, &mut |tag, _| {
        icons.extend(icon(tag));
        None
    });
    icons
}

/// Returns a list in which each type has its installed icon; the last one of a type counts.
pub(super) fn with_icons(xml: &[u8], icons: &NewIcons) -> Text {
    with_texts(xml, &mut |tag, text| {
        let new = icons::find(icons, icon(tag)?)?;
        // An icon has nothing in it, a type with nothing in it has no icon.
        let is_place = (name(tag) == b"icon") == tag.ends_with(b"/");
        is_place.then(|| joined(&[b"<icon name=\"", new, b"\"/>", text]))
    })
}

/// Returns the name of the icon that a tag stands for.
fn icon(tag: &[u8]) -> Option<Text> {
    match name(tag) {
        b"mime-type" => attribute(tag, b"type").map(flat),
        b"icon" => attribute(tag, b"name").map(copied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_get_their_icons() {
        let xml = b"<mime-info><mime-type type=\"a/b\"><comment>x</comment><icon name=\"c\"/></mime-type>\
            <mime-type type=\"d/e\"/></mime-info>";
        assert_eq!(icons(xml), [&b"a-b"[..], b"c", b"d-e"]);
        let new = [(&b"a-b"[..], &b"a-b.x"[..]), (b"c", b"c.x"), (b"d-e", b"d-e.x")];
        assert_eq!(
            with_icons(xml, &new.into()),
            b"<mime-info><mime-type type=\"a/b\"><icon name=\"a-b.x\"/><comment>x</comment><icon name=\"c\"/>\
              <icon name=\"c.x\"/></mime-type><mime-type type=\"d/e\"/></mime-info>"
        );
    }
}
