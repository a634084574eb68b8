//! `packer diff`: what changed from one bundle to another.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use format::{Descriptor, STORE_DIR};
use runtime::error::Size;
use serde::Serialize;

use super::inspect::rule;
use super::print;
use crate::cli;
use crate::error::Result;
use crate::show;
use crate::source::bundle::Bundle;
use crate::update::diff::{Change, Diff, Package};

/// What is printed; the field names are the keys of the JSON output.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    diff: Diff,
    /// Environment rules that only one of the bundles has. Hashes do not count, and are not shown.
    environment: Change<Vec<String>>,
}

/// Prints what changed.
///
/// # Errors
///
/// If one of the files is no bundle or is damaged.
pub(crate) fn diff(options: &cli::Diff) -> Result<()> {
    let (old, new) = (Bundle::open(&options.old)?, Bundle::open(&options.new)?);
    let diff = Diff::new(&old, &new)?;
    let environment = environment(&old.header.descriptor, &new.header.descriptor);
    let report = Report { diff, environment };
    match options.json {
        true => print::json(&report),
        false => print::text(&report.text()),
    }
}

/// Returns the environment rules of each bundle that the other one does not have.
fn environment(old: &Descriptor, new: &Descriptor) -> Change<Vec<String>> {
    let rules = |descriptor: &Descriptor| -> BTreeSet<String> {
        let name = |number: u16| {
            let path = descriptor.paths.get(usize::from(number));
            path.map(|path| format!("{STORE_DIR}/…-{}", path.path.name())).unwrap_or_default()
        };
        descriptor.environment.iter().map(|one| rule(one, name)).collect()
    };
    let (old, new) = (rules(old), rules(new));
    let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect();
    Change { old: only(&old, &new), new: only(&new, &old) }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Report { diff, environment } = self;
        if diff.old == diff.new {
            return writeln!(text, "the same bundle: {}", diff.new);
        }
        for package in &diff.packages {
            writeln!(text, "{}", line(package))?;
        }
        writeln!(text, "{:12} {}", "unchanged", count(diff.same_store_paths, "store path"))?;
        let Diff { entries, modes, release, .. } = diff;
        if entries.old != entries.new {
            writeln!(
                text,
                "{:12} {} → {}",
                "entries",
                entries.old.join(", "),
                entries.new.join(", ")
            )?;
        }
        if modes.old != modes.new {
            writeln!(text, "{:12} {} → {}", "modes", modes.old.join(", "), modes.new.join(", "))?;
        }
        for rule in &environment.old {
            writeln!(text, "{:12} - {rule}", "environment")?;
        }
        for rule in &environment.new {
            writeln!(text, "{:12} + {rule}", "environment")?;
        }
        if release.old != release.new {
            let [old, new] =
                [&release.old, &release.new].map(|version| show::text(version_or_none(version)));
            writeln!(text, "{:12} {old} → {new}", "release")?;
        }
        for (title, Change { old, new }) in
            [("closure", &diff.closure_bytes), ("file", &diff.file_bytes)]
        {
            let difference = difference(*old, *new);
            writeln!(text, "{title:12} {} → {}, {difference}", Size(*old), Size(*new))?;
        }
        let frames = &diff.frames;
        writeln!(
            text,
            "{:12} {} to bring: of {} {} there",
            "update",
            Size(frames.bytes_to_bring),
            count(frames.all, "frame"),
            match frames.same {
                1 => "1 is".to_owned(),
                same => format!("{same} are"),
            }
        )
    }
}

/// The line of a package, as `nix store diff-closures` writes it: `redis: 7.0.15 → 7.2.4, +120.5 kB`.
fn line(package: &Package) -> String {
    let Package { name, versions, bytes, .. } = package;
    let [old, new] = [&versions.old, &versions.new].map(|versions| {
        let versions: Vec<&str> = versions.iter().map(|version| version_or_none(version)).collect();
        if versions.is_empty() { "∅".to_owned() } else { versions.join(", ") }
    });
    let versions = if old == new { old } else { format!("{old} → {new}") };
    format!("{name}: {versions}, {}", difference(bytes.old, bytes.new))
}

/// Nix's sign for a package whose name has no version.
fn version_or_none(version: &str) -> &str {
    if version.is_empty() { "ε" } else { version }
}

/// The difference of two sizes, with its sign.
fn difference(old: u64, new: u64) -> String {
    let sign = if new < old { "-" } else { "+" };
    format!("{sign}{}", Size(new.abs_diff(old)))
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_shown_as_nix_shows_them() {
        for (old, new, bytes, expected) in [
            (&["7.0.15"][..], &["7.2.4"][..], (1000, 121_500), "redis: 7.0.15 → 7.2.4, +120.5 kB"),
            (&["7.0"], &["7.0"], (1000, 10), "redis: 7.0, -990 B"),
            (&[], &["1", "2"], (0, 0), "redis: ∅ → 1, 2, +0 B"),
            (&[""], &[], (5, 0), "redis: ε → ∅, -5 B"),
        ] {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let package = Package {
                name: "redis".to_owned(),
                versions: Change { old: texts(old), new: texts(new) },
                store_paths: Change::default(),
                bytes: Change { old: bytes.0, new: bytes.1 },
            };
            assert_eq!(line(&package), expected);
        }
    }
}
