//! What `packer inspect` says without an option: entries, modes, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use format::{
    Action, Descriptor, Index, Interface, Kind, Manifest, Mode, Modes, Node, Piece, Rule,
    STORE_DIR, Symlink,
};
use runtime::payload::Sections;
use serde::Serialize;

use super::info::{self, Info};
use crate::command::summary::LeftOut;
use crate::elf::{self, Machine};
use crate::error::Result;
use crate::plan::verdict::{Relocation, Verdict};
use crate::source::bundle::Bundle;
use runtime::error::{Escaped, Size};

/// The report; the field names are the keys of the JSON output.
#[derive(Serialize)]
pub(super) struct Report {
    format_version: u32,
    packer: String,
    /// What it runs on, as Nix names it.
    system: Option<String>,
    release: Release,
    entries: Vec<Entry>,
    modes: Vec<&'static str>,
    /// `None` if the closure has no obstacles but the bundle does not allow `relocate`: its index then lists no
    /// references.
    relocation: Option<Relocation>,
    environment: Vec<String>,
    /// What the programs need of graphics drivers; `None` if no file looks for drivers.
    graphics: Option<Graphics>,
    store_paths: Vec<Path>,
    /// What rules left out when it was packed.
    left_out: Vec<LeftOut>,
    /// For each key that is said to have signed, the number of store paths. Nothing of this is checked.
    signatures: BTreeMap<String, usize>,
    /// Whether the packager took store paths from binary caches for which nobody vouched.
    packed_unchecked: bool,
    files: usize,
    /// Bytes of all files.
    bytes_before: u64,
    /// Bytes of the tar stream: all headers, and the content of each distinct file once.
    tar_bytes: u64,
    /// Bytes of the frames.
    compressed_bytes: u64,
    frames: usize,
    stub_bytes: u64,
    file_bytes: u64,
}

#[derive(Serialize)]
struct Graphics {
    interfaces: Vec<&'static str>,
    /// The store path of the bundle's own drivers.
    drivers: Option<String>,
    /// Bytes of the store paths that only the drivers need.
    drivers_bytes: u64,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    program: String,
    /// The number of store paths that it needs: a first start unpacks these.
    store_paths: usize,
    /// Bytes of their files.
    bytes: u64,
}

/// What the bundle says of itself to `packer update`; each is empty if it says nothing.
#[derive(Serialize)]
struct Release {
    version: String,
    url: String,
    key: String,
}

#[derive(Serialize)]
struct Path {
    path: String,
    files: usize,
    bytes: u64,
    nar_hash: String,
    nar_bytes: u64,
    content_key: String,
    references: Vec<String>,
    /// Whether files of it were left out.
    partial: bool,
    /// What Nix knew of it; nothing of this is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
}

impl Report {
    /// # Errors
    ///
    /// If the bundle is damaged.
    pub(super) fn new(bundle: &Bundle) -> Result<Report> {
        let descriptor = &bundle.header.descriptor;
        let Sections { manifest, seek_table, .. } = &bundle.sections;
        let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
        let base_names: Vec<String> =
            manifest.paths.iter().map(|packed| format!("{STORE_DIR}/{}", packed.path)).collect();
        let mut store_paths: Vec<Path> = manifest
            .paths
            .iter()
            .zip(&base_names)
            .map(|(packed, path)| Path {
                path: path.clone(),
                files: 0,
                bytes: 0,
                nar_hash: packed.nar_hash.to_string(),
                nar_bytes: packed.nar_len,
                content_key: packed.key.to_string(),
                references: packed
                    .references
                    .iter()
                    .filter_map(|number| base_names.get(*number as usize).cloned())
                    .collect(),
                partial: packed.is_partial,
                info: packed.info.as_ref().map(|info| Info::new(info, manifest)),
            })
            .collect();
        // The index has the root nodes in the manifest's order, each before the nodes below it.
        let mut paths = store_paths.iter_mut();
        let mut path = None;
        for node in &index.nodes {
            if node.parent.is_none() {
                path = paths.next();
            }
            let Some(path) = &mut path else { continue };
            // Links are files, as in the number of files with references.
            path.files += usize::from(node.kind != Kind::Directory);
            if let Kind::File { content, .. } = node.kind {
                path.bytes = path.bytes.saturating_add(content.len);
            }
        }
        let entries = entries(descriptor, manifest, &store_paths);
        store_paths.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        let full_path = |path: u16| {
            let path = descriptor.paths.get(usize::from(path));
            path.map(|path| format!("{STORE_DIR}/{}", path.path)).unwrap_or_default()
        };
        Ok(Report {
            format_version: descriptor.version,
            packer: manifest.packer.clone(),
            system: elf::machine(&bundle.file).and_then(Machine::system),
            release: Release {
                version: manifest.release.version.clone(),
                url: manifest.release.url.clone(),
                key: manifest.release.key.clone(),
            },
            entries,
            relocation: relocation(&index, manifest, descriptor.modes),
            modes: descriptor.modes.iter().map(Mode::name).collect(),
            environment: descriptor.environment.iter().map(|r| rule(r, full_path)).collect(),
            graphics: graphics(descriptor, manifest, full_path),
            files: store_paths.iter().map(|path| path.files).sum(),
            bytes_before: store_paths.iter().map(|path| path.bytes).fold(0, u64::saturating_add),
            store_paths,
            left_out: manifest.left_out.iter().cloned().map(Into::into).collect(),
            signatures: info::signatures(manifest),
            packed_unchecked: manifest.is_unchecked,
            tar_bytes: seek_table.tar_len(),
            compressed_bytes: seek_table
                .data_frames()
                .iter()
                .map(|frame| u64::from(frame.compressed_len))
                .sum(),
            frames: seek_table.data_frames().len(),
            stub_bytes: descriptor.stub_len,
            file_bytes: descriptor.file_len,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let all = self.store_paths.len();
        for (number, entry) in self.entries.iter().enumerate() {
            let title = if number == 0 { "entry" } else { "" };
            write!(text, "{title:12} {} = {}", entry.name, entry.program)?;
            if entry.store_paths < all {
                let needs = (entry.store_paths, Size(entry.bytes));
                write!(text, " (needs {} of {all} store paths, {})", needs.0, needs.1)?;
            }
            writeln!(text)?;
        }
        let Release { version, url, key } = &self.release;
        for (title, value) in [("version", version), ("updates", url), ("signed by", key)] {
            if !value.is_empty() {
                writeln!(text, "{title:12} {}", Escaped(value.as_bytes()))?;
            }
        }
        if let Some(system) = &self.system {
            writeln!(text, "{:12} {system}", "system")?;
        }
        writeln!(text, "{:12} {}", "modes", self.modes.join(", "))?;
        match &self.relocation {
            None => {}
            Some(relocation) if relocation.verdict == Verdict::Proven => {
                writeln!(text, "{:12} {relocation}", "relocation")?;
            }
            Some(relocation) => {
                writeln!(text, "{:12} {}:", "relocation", relocation.words())?;
                let Relocation { obstacles, doubts, .. } = relocation;
                for reason in obstacles.iter().chain(doubts) {
                    writeln!(text, "{:12} {reason}", "")?;
                }
            }
        }
        for (number, file) in self.relocation.iter().flat_map(|r| &r.vouched).enumerate() {
            let title = if number == 0 { "vouched for" } else { "" };
            writeln!(text, "{title:12} {file}")?;
        }
        for (number, rule) in self.environment.iter().enumerate() {
            let title = if number == 0 { "environment" } else { "" };
            writeln!(text, "{title:12} {rule}")?;
        }
        if let Some(Graphics { interfaces, drivers, drivers_bytes }) = &self.graphics {
            let interfaces = match &interfaces[..] {
                [] => "drivers".to_owned(),
                interfaces => interfaces.join(", "),
            };
            match drivers {
                None => writeln!(text, "{:12} {interfaces}: of the host only", "graphics")?,
                Some(drivers) => {
                    let size = Size(*drivers_bytes);
                    writeln!(
                        text,
                        "{:12} {interfaces}: of the host or {drivers}, which adds {size}",
                        "graphics"
                    )?;
                }
            }
        }
        let percent = match self.bytes_before {
            0 => 100.0,
            before => percent(self.file_bytes, before),
        };
        writeln!(
            text,
            "{:12} {} ({percent:.1} % of {}; {} files in {} store paths)",
            "size",
            Size(self.file_bytes),
            Size(self.bytes_before),
            self.files,
            self.store_paths.len()
        )?;
        writeln!(
            text,
            "{:12} {} -> {} in {} frames; stub {}, lists {}",
            "compression",
            Size(self.tar_bytes),
            Size(self.compressed_bytes),
            self.frames,
            Size(self.stub_bytes),
            Size(self.file_bytes.saturating_sub(self.stub_bytes + self.compressed_bytes)),
        )?;
        for (number, LeftOut { rule, files, bytes }) in self.left_out.iter().enumerate() {
            let title = if number == 0 { "left out" } else { "" };
            let rule = Escaped(rule.as_bytes());
            writeln!(text, "{title:12} {rule}: {} in {files} files", Size(*bytes))?;
        }
        for (number, (key, paths)) in self.signatures.iter().enumerate() {
            let title = if number == 0 { "signatures" } else { "" };
            let key = Escaped(key.as_bytes());
            writeln!(text, "{title:12} {key}: {paths} store paths (packer verify checks them)")?;
        }
        if self.packed_unchecked {
            writeln!(
                text,
                "{:12} not required of the binary caches that store paths came from",
                "signatures"
            )?;
        }
        writeln!(text, "{:12} {}, version {}", "format", self.packer, self.format_version)?;
        writeln!(text)?;
        writeln!(text, "{:>10} {:>7}  store path", "size", "files")?;
        for path in &self.store_paths {
            writeln!(
                text,
                "{:>10} {:>7}  {}",
                Size(path.bytes).to_string(),
                path.files,
                path.path
            )?;
        }
        Ok(())
    }
}

/// Describes the entries; `store_paths` are in the manifest's order.
fn entries(descriptor: &Descriptor, manifest: &Manifest, store_paths: &[Path]) -> Vec<Entry> {
    let describe = |entry: &format::Entry| {
        let needed = || {
            let all = store_paths.iter().enumerate();
            all.filter(|(number, _)| manifest.is_in(entry.subset, *number)).map(|(_, path)| path)
        };
        let path = &descriptor.paths[usize::from(entry.path)].path;
        Entry {
            name: Escaped(entry.name(&descriptor.paths)).to_string(),
            program: format!("{STORE_DIR}/{path}{}", Escaped(&entry.program)),
            store_paths: needed().count(),
            bytes: needed().map(|path| path.bytes).fold(0, u64::saturating_add),
        }
    };
    descriptor.entries.iter().map(describe).collect()
}

fn graphics(
    descriptor: &Descriptor,
    manifest: &Manifest,
    full_path: impl Fn(u16) -> String,
) -> Option<Graphics> {
    let found = descriptor.graphics?;
    let all = &manifest.paths;
    // What programs, rules and roots need: all that the descriptor lists but the drivers.
    let listed = (0..).zip(&descriptor.paths).filter(|(number, _)| Some(*number) != found.drivers);
    let mut pending: Vec<usize> = listed
        .filter_map(|(_, key)| all.iter().position(|packed| packed.path == key.path))
        .collect();
    let mut needed: BTreeSet<usize> = pending.iter().copied().collect();
    while let Some(number) = pending.pop() {
        let references = all[number].references.iter().map(|reference| *reference as usize);
        pending.extend(references.filter(|reference| needed.insert(*reference)));
    }
    let only = (0..).zip(all).filter(|(number, _)| !needed.contains(number));
    Some(Graphics {
        interfaces: found.interfaces.iter().map(Interface::name).collect(),
        drivers: found.drivers.map(full_path),
        drivers_bytes: match found.drivers {
            None => 0,
            Some(_) => only.map(|(_, packed)| packed.nar_len).fold(0, u64::saturating_add),
        },
    })
}

/// Returns the packer's verdict on relocation, from the manifest and the index.
fn relocation(index: &Index<'_>, manifest: &Manifest, modes: Modes) -> Option<Relocation> {
    let count = |node: &Node<'_>| match node.kind {
        Kind::Directory => 0,
        Kind::File { references, .. } | Kind::Symlink(Symlink { references, .. }) => {
            references.iter().count()
        }
    };
    let counts = || index.nodes.iter().map(count).filter(|count| *count > 0);
    let findings = manifest.findings.clone();
    (modes.contains(Mode::Relocate) || !findings.obstacles.is_empty())
        .then(|| Relocation::new(findings, counts().sum(), counts().count()))
}

/// Returns a percentage for display; the loss of precision does not show.
#[allow(clippy::cast_precision_loss)]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// Returns the text of an environment rule, as the command line takes it.
pub(in crate::command) fn rule(rule: &Rule, full_path: impl Fn(u16) -> String) -> String {
    let mut pieces = rule.value.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => Escaped(bytes).to_string(),
        Piece::Path(path) => full_path(*path),
        Piece::Bundle => "%BUNDLE%".to_owned(),
    });
    let first = match rule.action {
        Action::SetIfMissing => pieces.next().unwrap_or_default(),
        _ => String::new(),
    };
    let value: String = pieces.collect();
    let name = Escaped(&rule.name);
    match rule.action {
        Action::Set => format!("{name}={value}"),
        Action::SetUnlessSet => format!("{name}?={value}"),
        Action::Remove => format!("{name}-"),
        Action::SetIfExists => format!("{name}?={value} if the file exists"),
        Action::KeepFiles => format!("{name}- but for {value}*"),
        Action::ReplaceIfExists => format!("{name}={value} if the file exists"),
        Action::SetIfMissing => format!("{name}?={value} if {first} does not exist"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::bundle::tests::{build, fixture};
    use crate::source::store::tests::{BASH, GLIBC};

    #[test]
    fn summary_says_what_is_in_it() {
        let (store, dir) = fixture();
        let env = format!("--env=LIBS?=/nix/store/{GLIBC}/lib");
        let path = build(&store, dir.path(), "sh", &[&env]).unwrap();
        let text = Report::new(&Bundle::open(&path).unwrap()).unwrap().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("entry        sh = /nix/store/{BASH}/bin/sh"));
        assert_eq!(lines[1], "system       x86_64-linux");
        assert_eq!(lines[2], "modes        host, relocate, namespace, ram");
        assert_eq!(lines[3], "relocation   relocatable (1 references in 1 files)");
        assert_eq!(lines[4], format!("environment  LIBS?=/nix/store/{GLIBC}/lib"));
        assert!(lines[5].ends_with("of 72 B; 5 files in 2 store paths)"), "{}", lines[5]);
        assert!(lines[6].contains("in 2 frames; stub 8."), "{}", lines[6]);
        assert_eq!(lines[10], format!("      64 B       2  /nix/store/{BASH}"));
        assert_eq!(lines[11], format!("       8 B       3  /nix/store/{GLIBC}"));
    }

    #[test]
    fn references_are_unknown_where_none_is_rewritten() {
        let (store, dir) = fixture();
        let path = build(&store, dir.path(), "sh", &["--mode=namespace"]).unwrap();
        let report = Report::new(&Bundle::open(&path).unwrap()).unwrap();
        assert_eq!(report.modes, ["namespace"]);
        assert!(report.relocation.is_none());
    }
}
