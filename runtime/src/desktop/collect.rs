//! Collects what is installed: desktop entries, their icons, MIME types and AppStream data.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use format::{Descriptor, Extent, Index};

use super::closure::{Closure, below_store};
use super::entry_file::{Changes, EntryFile};
use super::exec;
use super::left_out::{AllLeftOut, LeftOut, Reason};
use super::markup;
use super::programs::Programs;
use super::record::Key;
use crate::error::Error;
use crate::payload::{Payload, Sections};

/// Bytes of the largest desktop entry that is read. Real ones have less than 100 KiB, with all their languages.
const ENTRY_LEN: u64 = 1 << 20;

/// Bytes of the largest other file.
const FILE_LEN: u64 = 8 << 20;

/// Files below a directory that are looked at: the largest icon themes have a third of that.
const FILES: usize = 100_000;

/// Directories that are nested below `share/icons` and such: theme, size and context in real ones.
const DEPTH: usize = 6;

const ICON_EXTENSIONS: [&str; 3] = [".png", ".svg", ".xpm"];

/// What the files are named for.
pub(super) struct Names<'a> {
    /// The absolute path of the bundle.
    pub(super) bundle: &'a str,
    /// The digest of the bundle, as text.
    pub(super) digest: &'a str,
    pub(super) key: &'a Key,
    /// The absolute path of the data directory.
    pub(super) home: &'a str,
}

/// A file to install.
pub(super) struct NewFile {
    /// Its path below the data directory.
    pub(super) path: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Bytes(Vec<u8>),
    /// A link to this path.
    Link(Vec<u8>),
}

/// A file of the closure.
struct Found {
    /// Its path below the directory that was searched.
    path: String,
    extent: Extent,
}

struct Collector<'a> {
    payload: &'a Payload<'a>,
    sections: &'a Sections,
    index: &'a Index<'a>,
    closure: Closure<'a>,
    /// The nodes of the store paths whose entries are installed.
    roots: Vec<u32>,
    names: &'a Names<'a>,
    left_out: AllLeftOut,
    files: Vec<NewFile>,
}

/// Names of icons, and what `Icon` is for them in an installed entry.
type Icons = Vec<(Vec<u8>, String)>;

/// Returns the files to install, entries last, and what is left out.
pub(super) fn collect(
    payload: &Payload<'_>,
    descriptor: &Descriptor,
    names: &Names<'_>,
) -> Result<(Vec<NewFile>, AllLeftOut), Error> {
    let sections = payload.sections()?;
    let index = sections.index()?;
    let closure = Closure::new(&index, &sections.manifest.paths);
    let mut roots = Vec::new();
    for entry in &descriptor.entries {
        roots.extend(closure.root(&descriptor.paths[usize::from(entry.path)].path));
    }
    let paths = &sections.manifest.paths;
    for (number, path) in (0..).zip(paths) {
        if paths.iter().all(|other| other.references.binary_search(&number).is_err()) {
            roots.extend(closure.root(&path.path));
        }
    }
    let mut seen = Vec::new();
    roots.retain(|root| {
        !seen.contains(root) && {
            seen.push(*root);
            true
        }
    });
    let mut collector = Collector {
        payload,
        sections: &sections,
        index: &index,
        closure,
        roots,
        names,
        left_out: Vec::new(),
        files: Vec::new(),
    };
    collector.all(descriptor)?;
    Ok((collector.files, collector.left_out))
}

impl Collector<'_> {
    fn all(&mut self, descriptor: &Descriptor) -> Result<(), Error> {
        let is_xml = |name: &str| name.ends_with(".xml");
        let entries =
            self.read("share/applications", ENTRY_LEN, |name| name.ends_with(".desktop"))?;
        let types = self.read("share/mime/packages", FILE_LEN, is_xml)?;
        let mut described = self.read("share/metainfo", FILE_LEN, is_xml)?;
        described.extend(self.read("share/appdata", FILE_LEN, is_xml)?);

        let mut parsed = Vec::new();
        for (path, text) in &entries {
            match EntryFile::parse(text) {
                Ok(entry) => parsed.push((path, entry)),
                Err(reason) => self.leave_out("share/applications", path, reason),
            }
        }
        // Only of entries that can be installed: their icons are looked for next.
        let mut programs = Programs::new(descriptor, self.names);
        let wanted = parsed.iter().flat_map(|(_, entry)| entry.icons()).map(exec::unescaped);
        let wanted: Vec<Vec<u8>> =
            wanted.chain(types.iter().flat_map(|(_, xml)| type_icons(xml))).collect();
        let icons = self.icons(&wanted)?;
        let mut written = Vec::new();
        for (path, entry) in &parsed {
            let id = path.strip_suffix(".desktop").unwrap_or(path).replace('/', "-");
            let icon = |value: &[u8]| {
                let name = exec::unescaped(value);
                let new = icons.iter().find(|(icon, _)| *icon == name);
                new.map(|(_, new)| exec::escaped(new.as_bytes()))
            };
            let mut changes = Changes {
                program: &mut |name| programs.path(name),
                icon: &icon,
                bundle: self.names.bundle.as_bytes(),
                digest: self.names.digest,
                id: id.as_bytes(),
            };
            let file = ["share/applications/", path].concat();
            match entry.write(&mut changes, file.as_bytes(), &mut self.left_out) {
                Ok(text) => written.push((id, text)),
                Err(reason) => self.leave_out("share/applications", path, reason),
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        let suffix = self.names.key.suffix();
        for (path, xml) in &types {
            let path = path.strip_suffix(".xml").unwrap_or(path).replace('/', "-");
            let xml = with_type_icons(xml, &icons);
            self.add(alloc::format!("mime/packages/{path}{suffix}.xml"), Content::Bytes(xml));
        }
        let ids: Vec<&str> = written.iter().map(|(id, _)| &**id).collect();
        for (path, xml) in &described {
            match described_as(xml, &ids, &suffix, &icons) {
                Some(xml) => {
                    let ends = [".metainfo.xml", ".appdata.xml", ".xml"];
                    let end = ends.into_iter().find(|end| path.ends_with(end)).unwrap_or_default();
                    let name = path[..path.len() - end.len()].replace('/', "-");
                    self.add(alloc::format!("metainfo/{name}{suffix}{end}"), Content::Bytes(xml));
                }
                None => self.leave_out("share/metainfo", path, Reason::NotOfEntries),
            }
        }
        for (path, target) in programs.into_links() {
            self.add(path, Content::Link(target));
        }
        for (id, text) in written {
            self.add(alloc::format!("applications/{id}{suffix}.desktop"), Content::Bytes(text));
        }
        Ok(())
    }

    fn add(&mut self, path: String, content: Content) {
        if self.files.iter().all(|file| file.path != path) {
            self.files.push(NewFile { path, content });
        }
    }

    fn leave_out(&mut self, directory: &str, path: &str, reason: Reason) {
        let file = alloc::format!("{directory}/{path}").into();
        self.left_out.push(LeftOut { file, reason });
    }

    /// Reads the files below a directory of the roots whose names are wanted.
    fn read(
        &mut self,
        directory: &str,
        limit: u64,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let found = self.find(directory, limit, is_wanted);
        let extents: Vec<Extent> = found.iter().map(|found| found.extent).collect();
        let contents = self.payload.contents(self.sections, self.index, &extents)?;
        Ok(found.into_iter().map(|found| found.path).zip(contents).collect())
    }

    /// Finds the files below a directory of the roots whose names are wanted.
    fn find(
        &mut self,
        directory: &str,
        limit: u64,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut looked_at = 0;
        for root in self.roots.clone() {
            let mut open = match self.closure.find(root, directory.as_bytes()) {
                Ok(top) => Vec::from([(top, String::new(), 0)]),
                Err(Reason::Absent) => continue,
                Err(reason) => {
                    self.leave_out(directory, "", reason);
                    continue;
                }
            };
            while let Some((node, above, depth)) = open.pop() {
                let children: Vec<_> = self.closure.children(node).collect();
                for (child, name) in children {
                    looked_at += 1;
                    if looked_at > FILES {
                        self.leave_out(directory, "", Reason::TooMany(FILES));
                        return found;
                    }
                    let shown = String::from_utf8_lossy(name);
                    let path = alloc::format!("{above}{shown}");
                    let wanted = is_wanted(&shown);
                    let reason = match self.closure.follow(child) {
                        _ if shown.contains(char::REPLACEMENT_CHARACTER)
                            || shown.contains(char::is_control) =>
                        {
                            Reason::OddName
                        }
                        Ok(target) if self.closure.is_directory(target) => {
                            if !wanted {
                                if depth < DEPTH {
                                    open.push((target, alloc::format!("{path}/"), depth + 1));
                                }
                                continue;
                            }
                            Reason::Directory
                        }
                        Ok(_) if !wanted => continue,
                        Ok(target) => {
                            let extent = self.closure.extent(target);
                            let same = found.iter().find(|found| found.path == path);
                            match same {
                                _ if extent.len > limit => Reason::TooLarge(limit),
                                Some(same) if same.extent != extent => Reason::SameName,
                                Some(_) => continue,
                                None => {
                                    found.push(Found { path, extent });
                                    continue;
                                }
                            }
                        }
                        // Perhaps a directory with what is wanted.
                        Err(_) if !wanted && shown.contains('.') => continue,
                        Err(reason) => reason,
                    };
                    self.leave_out(directory, &path, reason);
                }
            }
        }
        found
    }

    /// Adds the files of icons; returns what `Icon` is for each that the closure has.
    fn icons(&mut self, wanted: &[Vec<u8>]) -> Result<Icons, Error> {
        let suffix = self.names.key.suffix();
        let directory = alloc::format!("{}/icons", self.names.key.directory());
        let mut icons = Icons::new();
        let is_themed = |name: &str| {
            let stem = icon_stem(name);
            stem.is_some_and(|stem| {
                let plain = stem.strip_suffix("-symbolic").unwrap_or(stem).as_bytes();
                wanted.iter().any(|icon| [stem.as_bytes(), plain].contains(&themed_name(icon)))
            })
        };
        for (path, content) in self.read("share/icons", FILE_LEN, is_themed)? {
            let (stem, extension) = path.split_at(path.len() - ICON_EXTENSIONS[0].len());
            let (above, stem) =
                stem.rsplit_once('/').map_or(("", stem), |(above, stem)| (above, stem));
            let is_wanted = |icon: &&Vec<u8>| themed_name(icon) == stem.as_bytes();
            for icon in wanted.iter().filter(is_wanted) {
                if icons.iter().all(|(name, _)| name != icon) {
                    icons.push((icon.clone(), alloc::format!("{stem}{suffix}")));
                }
            }
            let new = match stem.strip_suffix("-symbolic") {
                Some(plain) if !wanted.iter().any(|icon| is_wanted(&icon)) => {
                    alloc::format!("{plain}{suffix}-symbolic")
                }
                _ => alloc::format!("{stem}{suffix}"),
            };
            let slash = if above.is_empty() { "" } else { "/" };
            let path = alloc::format!("icons/{above}{slash}{new}{extension}");
            self.files.push(NewFile { path, content: Content::Bytes(content) });
        }
        // No theme has these: `Icon` is the path.
        let missing = |icon: &&Vec<u8>| icons.iter().all(|(name, _)| name != *icon);
        let rest: Vec<Vec<u8>> = wanted.iter().filter(missing).cloned().collect();
        let in_pixmaps = |name: &str| {
            icon_stem(name)
                .is_some_and(|stem| rest.iter().any(|icon| themed_name(icon) == stem.as_bytes()))
        };
        let pixmaps = self.read("share/pixmaps", FILE_LEN, in_pixmaps)?;
        for icon in rest {
            let is_it = |(path, _): &&(String, Vec<u8>)| {
                icon_stem(path).map(str::as_bytes) == Some(themed_name(&icon))
            };
            let (name, content) = match pixmaps.iter().find(is_it) {
                Some((name, content)) => (name.replace('/', "-"), content.clone()),
                None => match self.icon_at(&icon)? {
                    Some(found) => found,
                    // The host's themes may have it.
                    None => continue,
                },
            };
            let path = alloc::format!("{directory}/{name}");
            icons.push((icon, alloc::format!("{}/{path}", self.names.home)));
            self.add(path, Content::Bytes(content));
        }
        Ok(icons)
    }

    /// Reads an icon that an entry names by its path in the store.
    fn icon_at(&mut self, path: &[u8]) -> Result<Option<(String, Vec<u8>)>, Error> {
        if below_store(path).is_none() {
            return Ok(None);
        }
        let shown = String::from_utf8_lossy(path);
        let extent = match self.closure.find_absolute(path) {
            Ok(node) if !self.closure.is_directory(node) => self.closure.extent(node),
            Ok(_) => return Ok(None),
            Err(reason) => {
                self.left_out.push(LeftOut { file: path.into(), reason });
                return Ok(None);
            }
        };
        if extent.len > FILE_LEN {
            let file = path.into();
            self.left_out.push(LeftOut { file, reason: Reason::TooLarge(FILE_LEN) });
            return Ok(None);
        }
        // The hash keeps icons of one name apart.
        let name = shown
            .trim_start_matches("/nix/store/")
            .replace(|c: char| c == '/' || c.is_control(), "-");
        let content = self.payload.contents(self.sections, self.index, &[extent])?.pop();
        Ok(content.map(|content| (name, content)))
    }
}

/// Returns the name of an icon from the name of its file.
fn icon_stem(file: &str) -> Option<&str> {
    let name = file.rsplit('/').next()?;
    ICON_EXTENSIONS.into_iter().find_map(|extension| name.strip_suffix(extension))
}

/// Returns the name of an icon as it is looked for in themes: some entries have an extension, against the rules.
fn themed_name(icon: &[u8]) -> &[u8] {
    core::str::from_utf8(icon)
        .ok()
        .and_then(icon_stem)
        .filter(|_| !icon.contains(&b'/'))
        .map_or(icon, str::as_bytes)
}

/// Returns the names of the icons of MIME types: those that they have by default, and those that are named.
fn type_icons(xml: &[u8]) -> Vec<Vec<u8>> {
    let mut icons = Vec::new();
    markup::with_texts(xml, |tag, _| {
        icons.extend(type_icon(tag));
        None
    });
    icons
}

/// Returns the name of the icon that a tag in a list of MIME types stands for.
fn type_icon(tag: &[u8]) -> Option<Vec<u8>> {
    match markup::name(tag) {
        b"mime-type" => markup::attribute(tag, b"type")
            .map(|name| name.iter().map(|byte| if *byte == b'/' { b'-' } else { *byte }).collect()),
        b"icon" => markup::attribute(tag, b"name").map(Vec::from),
        _ => None,
    }
}

/// Returns a list of MIME types in which each type has the installed icon; the last one of a type counts.
fn with_type_icons(xml: &[u8], icons: &Icons) -> Vec<u8> {
    markup::with_texts(xml, |tag, text| {
        let name = type_icon(tag)?;
        let (_, new) = icons.iter().find(|(icon, _)| *icon == name)?;
        let is_open = tag.starts_with(b"mime-type") != tag.ends_with(b"/");
        let icon = alloc::format!("<icon name=\"{new}\"/>");
        is_open.then(|| [icon.as_bytes(), text].concat())
    })
}

/// Returns AppStream data for an installed entry; `None` if it describes none.
fn described_as(xml: &[u8], ids: &[&str], suffix: &str, icons: &Icons) -> Option<Vec<u8>> {
    let entry = |text: &[u8]| {
        let name = core::str::from_utf8(text.trim_ascii()).ok()?;
        let id = name.strip_suffix(".desktop").unwrap_or(name);
        ids.contains(&id).then(|| id.to_string())
    };
    let (mut component, mut is_of_entry) = (None, false);
    let xml = markup::with_texts(xml, |tag, text| match markup::name(tag) {
        b"id" if component.is_none() => {
            let text = text.trim_ascii();
            component = Some(text.to_vec());
            is_of_entry |= entry(text).is_some();
            let (name, end) = match text.strip_suffix(b".desktop") {
                Some(name) => (name, &b".desktop"[..]),
                None => (text, &b""[..]),
            };
            Some([name, suffix.as_bytes(), end].concat())
        }
        b"launchable" => {
            let id = entry(text)?;
            is_of_entry = true;
            Some(alloc::format!("{id}{suffix}.desktop").into_bytes())
        }
        b"icon" if markup::attribute(tag, b"type") == Some(b"stock") => {
            let (_, new) = icons.iter().find(|(icon, _)| icon == text.trim_ascii())?;
            Some(new.clone().into_bytes())
        }
        _ => None,
    });
    is_of_entry.then_some(xml)
}
