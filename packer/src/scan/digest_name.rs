//! Files that are named by the MD5 of a path: caches of fontconfig, thumbnails, ConTeXt's lists of files; and Emacs'
//! native code, which has the first digits of that of its source.
//!
//! Relocation changes the path and not the name, so such a file is not found any more.

use std::collections::{BTreeSet, HashMap};

use md5::{Digest as _, Md5};

use crate::source::tree::Tree;

/// Digits of an MD5 in a name.
const DIGITS: usize = 32;

/// Digits of it that Emacs takes: `<name>-<of the path>-<of the content>.eln`.
const FEW_DIGITS: usize = 8;

/// Bytes of an MD5 that are compared: those that each name has.
type Start = [u8; FEW_DIGITS / 2];

/// The nodes whose names have the MD5 of the path of some node, as a path or as a URI.
pub(super) fn find(tree: &Tree) -> BTreeSet<u32> {
    let mut named: HashMap<Start, Vec<(Vec<u8>, u32)>> = HashMap::new();
    for number in numbers(tree) {
        if let Some(digest) = digest(&tree.node(number).name)
            && let Some(start) = digest.first_chunk()
        {
            named.entry(*start).or_default().push((digest, number));
        }
    }
    let mut found = BTreeSet::new();
    if named.is_empty() {
        return found;
    }
    for number in numbers(tree) {
        let path = [format::STORE_DIR.as_bytes(), b"/", &tree.location(number)].concat();
        for (before, after) in [("", ""), ("", "/"), ("file://", "")] {
            let text = [before.as_bytes(), &path, after.as_bytes()].concat();
            let digest: [u8; DIGITS / 2] = Md5::digest(&text).into();
            let same = digest.first_chunk().and_then(|start| named.get(start));
            let same = same.into_iter().flatten().filter(|(start, _)| digest.starts_with(start));
            found.extend(same.map(|(_, number)| number));
        }
    }
    found
}

fn numbers(tree: &Tree) -> impl Iterator<Item = u32> {
    (0..tree.nodes.len()).filter_map(|number| u32::try_from(number).ok())
}

/// The digest in a name, or its first bytes.
fn digest(name: &[u8]) -> Option<Vec<u8>> {
    let digits = match name.strip_suffix(b".eln") {
        Some(rest) => {
            let mut parts = rest.rsplit(|byte| *byte == b'-');
            parts.next().and_then(|_| parts.next()).filter(|digits| digits.len() == FEW_DIGITS)?
        }
        None => {
            let (digits, rest) = name.split_at_checked(DIGITS)?;
            if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                return None;
            }
            digits
        }
    };
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, TestStore};

    #[test]
    fn names_are_compared_with_all_paths() {
        let hex = |text: String| {
            Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let fonts = format!("/nix/store/{BASH}/share/fonts");
        let store = TestStore::new();
        store.file(&format!("{BASH}/share/fonts/a.ttf"), "");
        for name in [
            format!("{}-le64.cache-8", hex(fonts.clone())),
            format!("{}.png", hex(format!("file://{fonts}/a.ttf"))),
            format!("fonts-{}-01234567.eln", &hex(fonts.clone())[..8]),
            // Digests of something else.
            "fonts-01234567-01234567.eln".to_owned(),
            hex("/usr/share/fonts".to_owned()),
            format!("{}0", hex(fonts)),
        ] {
            store.file(&format!("{BASH}/cache/{name}"), "");
        }
        let store = store.open();
        let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let end = |number: u32| {
            let name = String::from_utf8_lossy(&tree.node(number).name).into_owned();
            ["-le64.cache-8", ".png", ".eln"].into_iter().find(|end| name.ends_with(end))
        };
        let mut ends: Vec<_> = find(&tree).into_iter().filter_map(end).collect();
        ends.sort_unstable();
        assert_eq!(ends, ["-le64.cache-8", ".eln", ".png"]);
    }
}
