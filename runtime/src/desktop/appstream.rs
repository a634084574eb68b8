//! AppStream data: what software centers show of a program.
//!
//! <https://www.freedesktop.org/software/appstream/docs> has its form.

use super::icons::{self, NewIcons};
use super::markup::{attribute, name, with_texts};
use super::text::{Text, joined};

/// Returns AppStream data for installed entries, given by their IDs; `None` if it describes none of them.
///
/// The component gets an ID of its own: the host may have the same program.
pub(super) fn of_entries(
    xml: &[u8],
    ids: &[Text],
    suffix: &[u8],
    icons: &NewIcons,
) -> Option<Text> {
    let (mut has_id, mut is_of_entry) = (false, false);
    let xml = with_texts(xml, &mut |tag, text| match name(tag) {
        // The component's own is the first one.
        b"id" if !has_id => {
            let (id, end) = split(text);
            has_id = true;
            is_of_entry |= ids.contains(&id);
            Some(joined(&[id, suffix, end]))
        }
        b"launchable" => {
            let (id, end) = split(text);
            ids.contains(&id).then(|| {
                is_of_entry = true;
                joined(&[id, suffix, end])
            })
        }
        b"icon" if attribute(tag, b"type") == Some(b"stock") => {
            icons::find(icons, text.trim_ascii())
        }
        _ => None,
    });
    is_of_entry.then_some(xml)
}

/// Splits an ID from the end that those of desktop entries have.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match text.trim_ascii().strip_suffix(b".desktop") {
        Some(id) => (id, b".desktop"),
        None => (text.trim_ascii(), b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_installed_ones() {
        let ids = [&b"foo"[..], b"org.Foo"];
        let icons = [(&b"foo"[..], &b"foo.x"[..])].into();
        let change = |xml: &str| of_entries(xml.as_bytes(), &ids, b".x", &icons);
        for (xml, new) in [
            ("<a><id>foo.desktop</id></a>", Some("<a><id>foo.x.desktop</id></a>")),
            (
                "<a><id> org.Foo </id><id>org.Foo</id>",
                Some("<a><id>org.Foo.x</id><id>org.Foo</id>"),
            ),
            (
                "<id>other</id><launchable type='desktop-id'>foo.desktop</launchable><icon type=\"stock\">foo</icon>",
                Some(
                    "<id>other.x</id><launchable type='desktop-id'>foo.x.desktop</launchable><icon type=\"stock\">foo.x</icon>",
                ),
            ),
            ("<id>other</id><launchable type='desktop-id'>bar.desktop</launchable>", None),
            ("", None),
        ] {
            assert_eq!(change(xml), new.map(str::as_bytes), "{xml}");
        }
    }
}
