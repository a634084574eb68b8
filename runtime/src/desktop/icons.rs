//! Icons of the closure: in themes, in all sizes; in `share/pixmaps`; and those that are named by their paths.

use alloc::vec::Vec;

use super::closure::below_store;
use super::exec::base_name;
use super::new_file::{Content, Names, NewFile};
use super::source::{FILE_LEN, Source};
use super::text::{Text, flat, is_plain, joined};
use crate::error::Error;

/// The icons that are installed.
pub(super) struct Icons {
    pub(super) new: NewIcons,
    pub(super) files: Vec<NewFile>,
}

/// Names of icons in the closure, and what `Icon` is for them in an installed entry.
pub(super) type NewIcons = Vec<(Text, Text)>;

const EXTENSIONS: [&[u8]; 3] = [b".png", b".svg", b".xpm"];

/// The end of the name of an icon that desktops draw in one color, in place of the plain one.
const SYMBOLIC: &[u8] = b"-symbolic";

/// Returns the icons that are wanted and that the closure has.
///
/// # Errors
///
/// If the bundle is damaged.
pub(super) fn collect(
    source: &mut Source<'_>,
    wanted: &[Text],
    names: &Names,
) -> Result<Icons, Error> {
    let mut icons = Icons { new: NewIcons::new(), files: Vec::new() };
    let suffix = names.key.suffix();
    let is_wanted = |stem: &[u8]| wanted.iter().any(|icon| themed(icon) == stem);
    let themes = source.read(b"share/icons", FILE_LEN, &|name| {
        stem(name).is_some_and(|stem| is_wanted(stem) || is_wanted(plain(stem)))
    })?;
    for (path, content) in themes {
        let Some(stem) = stem(path) else { continue };
        // Desktops add the end to the name that the entry has.
        let (name, end) = if is_wanted(stem) { (stem, &b""[..]) } else { (plain(stem), SYMBOLIC) };
        for &icon in wanted.iter().filter(|icon| themed(icon) == name) {
            if find(&icons.new, icon).is_none() {
                icons.new.push((icon, joined(&[name, suffix])));
            }
        }
        let above = &path[..path.len() - base_name(path).len()];
        let extension = &path[path.len() - EXTENSIONS[0].len()..];
        let path = joined(&[b"icons/", above, name, suffix, end, extension]);
        icons.files.push(NewFile { path, content: Content::Bytes(content) });
    }
    // No theme has the others: `Icon` is a path.
    let pixmaps =
        source.read(b"share/pixmaps", FILE_LEN, &|name| stem(name).is_some_and(is_wanted))?;
    for &icon in wanted {
        if find(&icons.new, icon).is_some() {
            continue;
        }
        let is_it = |path: &[u8]| stem(path) == Some(themed(icon));
        let (name, content) = match pixmaps.iter().find(|(path, _)| is_it(path)) {
            Some((path, content)) => (flat(path), *content),
            None => match below_store(icon).filter(|path| is_plain(path)) {
                // The name has the hash of the store path in it: two icons can have one name.
                Some(path) => match source.read_absolute(icon)? {
                    Some(content) => (flat(path), content),
                    None => continue,
                },
                // The host's themes may have it.
                None => continue,
            },
        };
        let path = joined(&[names.key.directory(), b"/icons/", name]);
        icons.new.push((icon, joined(&[names.home, b"/", path])));
        if icons.files.iter().all(|file| file.path != path) {
            icons.files.push(NewFile { path, content: Content::Bytes(content) });
        }
    }
    Ok(icons)
}

/// Returns what `Icon` is for an icon of the closure.
pub(super) fn find(icons: &NewIcons, name: &[u8]) -> Option<Text> {
    icons.iter().find(|(icon, _)| *icon == name).map(|(_, new)| *new)
}

/// Returns the name of an icon from the path of its file.
fn stem(path: &[u8]) -> Option<&[u8]> {
    EXTENSIONS.into_iter().find_map(|extension| base_name(path).strip_suffix(extension))
}

fn plain(stem: &[u8]) -> &[u8] {
    stem.strip_suffix(SYMBOLIC).unwrap_or(stem)
}

/// Returns the name of an icon as themes have it: some entries have an extension, against the rules.
fn themed(icon: &[u8]) -> &[u8] {
    stem(icon).filter(|_| !icon.contains(&b'/')).unwrap_or(icon)
}
