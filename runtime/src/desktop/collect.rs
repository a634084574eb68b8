//! Collects what is installed: desktop entries, their icons, MIME types and AppStream data.

use alloc::vec::Vec;

use format::Descriptor;

use super::closure::Closure;
use super::entry_file::{Changes, EntryFile};
use super::exec;
use super::icons::{self, Icons};
use super::left_out::{AllLeftOut, Reason};
use super::new_file::{Content, Names, NewFile};
use super::programs::Programs;
use super::source::{FILE_LEN, Source, roots};
use super::text::{flat, joined};
use super::{appstream, mime};
use crate::error::Error;
use crate::payload::Payload;

/// Bytes of the largest desktop entry that is read. Real ones have less than 100 KiB, with all their languages.
const ENTRY_LEN: u64 = 1 << 20;

/// Returns the files to install, entries last, and what is left out.
///
/// # Errors
///
/// If the bundle is damaged.
pub(super) fn collect(
    payload: &Payload<'_>,
    descriptor: &Descriptor,
    names: &Names,
) -> Result<(Vec<NewFile>, AllLeftOut), Error> {
    let sections = payload.sections()?;
    let index = sections.index()?;
    let closure = Closure::new(&index, &sections.manifest.paths);
    let roots = roots(&closure, &sections, descriptor);
    let (index, sections, left_out) = (&index, &sections, Vec::new());
    let mut source = Source { payload, sections, index, closure, roots, left_out };
    let files = files(&mut source, descriptor, names)?;
    Ok((files, source.left_out))
}

fn files(
    source: &mut Source<'_>,
    descriptor: &Descriptor,
    names: &Names,
) -> Result<Vec<NewFile>, Error> {
    const ENTRIES: &[u8] = b"share/applications";
    let is_xml = |name: &[u8]| name.ends_with(b".xml");
    let texts = source.read(ENTRIES, ENTRY_LEN, &|name| name.ends_with(b".desktop"))?;
    let types = source.read(b"share/mime/packages", FILE_LEN, &is_xml)?;
    let mut programs = Programs { descriptor, names, links: Vec::new() };
    let mut program = |name: &[u8]| programs.path(name);
    let (mut wanted, mut entries) = (Vec::new(), Vec::new());
    for (path, text) in texts {
        let entry = EntryFile::parse(text);
        match entry.and_then(|entry| entry.check(&mut program).map(|()| entry)) {
            Ok(entry) => {
                wanted.extend(entry.icons());
                entries.push((path, entry));
            }
            Err(reason) => source.leave_out(ENTRIES, path, reason),
        }
    }
    types.iter().for_each(|(_, xml)| wanted.extend(mime::icons(xml)));
    let Icons { new: icons, mut files } = icons::collect(source, &wanted, names)?;

    let suffix = names.key.suffix();
    let (mut ids, mut written) = (Vec::new(), Vec::new());
    for (path, entry) in entries {
        let id = flat(path.strip_suffix(b".desktop").unwrap_or(path));
        let mut changes = Changes {
            program: &mut program,
            icon: &|value| icons::find(&icons, exec::unescaped(value)).map(exec::escaped),
            bundle: names.bundle,
            digest: names.digest,
            id,
        };
        let file = joined(&[ENTRIES, b"/", path]);
        match entry.write(&mut changes, file, &mut source.left_out) {
            Ok(_) if ids.contains(&id) => source.leave_out(ENTRIES, path, Reason::SameName),
            Ok(text) => {
                let path = joined(&[b"applications/", id, suffix, b".desktop"]);
                written.push(NewFile { path, content: Content::Bytes(text) });
                ids.push(id);
            }
            Err(reason) => source.leave_out(ENTRIES, path, reason),
        }
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    for (path, xml) in types {
        let name = flat(path.strip_suffix(b".xml").unwrap_or(path));
        let path = joined(&[b"mime/packages/", name, suffix, b".xml"]);
        let content = Content::Bytes(mime::with_icons(xml, &icons));
        files.push(NewFile { path, content });
    }
    for directory in [&b"share/metainfo"[..], b"share/appdata"] {
        for (path, xml) in source.read(directory, FILE_LEN, &is_xml)? {
            let Some(xml) = appstream::of_entries(xml, &ids, suffix, &icons) else {
                source.leave_out(directory, path, Reason::NotOfEntries);
                continue;
            };
            let ends = [&b".metainfo.xml"[..], b".appdata.xml", b".xml"];
            let end = ends.into_iter().find(|end| path.ends_with(end)).unwrap_or_default();
            let name = flat(&path[..path.len() - end.len()]);
            let path = joined(&[b"metainfo/", name, suffix, end]);
            if files.iter().all(|file| file.path != path) {
                files.push(NewFile { path, content: Content::Bytes(xml) });
            }
        }
    }
    files.append(&mut programs.links);
    files.append(&mut written);
    Ok(files)
}
