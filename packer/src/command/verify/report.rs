//! What `packer verify` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use format::STORE_DIR;
use serde::Serialize;

use super::check::Checked;
use crate::show;
use crate::source::bundle::Bundle;
use crate::trust::TrustedKeys;
use crate::trust::voucher::Voucher;

/// The first version of the format that keeps signatures.
const SIGNATURES: u32 = 3;

/// Store paths that the text names: more than a person reads, if it is a closure that nobody signed.
const LISTED: usize = 20;

/// The report; the field names are the keys of the JSON output.
#[derive(Serialize)]
pub(super) struct Report {
    /// Where the bundle is.
    pub(super) bundle: String,
    /// The signature of the whole, if a public key was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_as_whole: Option<Signed>,
    format_version: u32,
    files: usize,
    store_paths: Vec<Path>,
    /// For each trusted key that signed, the number of store paths.
    signed: BTreeMap<String, usize>,
    content_addressed: usize,
    /// The number of store paths for which nobody vouches.
    unvouched: usize,
    /// Whether the packager took store paths from binary caches for which nobody vouched.
    packed_unchecked: bool,
}

/// A signature of the whole bundle, which was checked.
#[derive(Serialize)]
pub(super) struct Signed {
    /// Where it is.
    pub(super) signature: String,
    /// The key's number.
    pub(super) key: String,
    /// What was signed with the bundle.
    pub(super) comment: String,
}

/// A store path.
#[derive(Serialize)]
pub(super) struct Path {
    pub(super) path: String,
    verdict: &'static str,
    /// The trusted key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Why nobody vouches for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

impl Report {
    pub(super) fn new(
        name: String,
        bundle: &Bundle,
        checked: &Checked,
        keys: &TrustedKeys,
        signed: Option<Signed>,
    ) -> Report {
        let manifest = &bundle.sections.manifest;
        let mut report = Report {
            bundle: name,
            signed_as_whole: signed,
            format_version: bundle.header.descriptor.version,
            files: checked.files,
            store_paths: Vec::new(),
            signed: BTreeMap::new(),
            content_addressed: 0,
            unvouched: 0,
            packed_unchecked: manifest.is_unchecked,
        };
        for (packed, held) in manifest.paths.iter().zip(&checked.paths) {
            let voucher = Voucher::find(packed, &manifest.paths, held, keys);
            report.store_paths.push(Path {
                path: format!("{STORE_DIR}/{}", packed.path),
                verdict: voucher.word(),
                reason: voucher.reason(),
                key: match &voucher {
                    Voucher::Signed(key) => Some(key.clone()),
                    _ => None,
                },
            });
            match voucher {
                Voucher::Signed(key) => *report.signed.entry(key).or_default() += 1,
                Voucher::Content => report.content_addressed += 1,
                _ => report.unvouched += 1,
            }
        }
        report
    }

    /// The store paths for which nobody vouches.
    pub(super) fn unvouched(&self) -> impl Iterator<Item = &Path> {
        self.store_paths.iter().filter(|path| !path.reason.is_empty())
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Report { bundle, files, .. } = self;
        let count = self.store_paths.len();
        if let Some(Signed { signature, key, comment }) = &self.signed_as_whole {
            let parts: Vec<String> = comment.split('\t').map(show::text).collect();
            writeln!(text, "{signature}: signed by the key {key}: {}", parts.join("\t"))?;
        }
        writeln!(text, "{bundle}: {files} files in {count} store paths are as they were packed")?;
        if self.packed_unchecked {
            writeln!(
                text,
                "it was packed with store paths of binary caches for which nobody vouched"
            )?;
        }
        if self.format_version < SIGNATURES {
            let version = self.format_version;
            return writeln!(text, "a bundle of format version {version} keeps no signatures");
        }
        if self.store_paths.iter().all(|path| path.verdict == Voucher::Unknown.word()) {
            return writeln!(text, "it keeps no signatures: Nix's database was not asked");
        }
        let mut signed = self.signed.iter();
        let (key, number) = signed.next().map_or(("a trusted key", 0), |(key, n)| (key, *n));
        write!(text, "{number} of {count} store paths signed by {key}")?;
        signed.try_for_each(|(key, number)| write!(text, ", {number} by {key}"))?;
        match self.content_addressed {
            0 => {}
            number => write!(text, ", {number} named by their content")?,
        }
        match self.unvouched {
            0 => writeln!(text)?,
            number => writeln!(text, ", {number} by nobody:")?,
        }
        let mut unvouched = self.unvouched();
        for Path { path, reason, .. } in unvouched.by_ref().take(LISTED) {
            writeln!(text, "  {path}: {reason}")?;
        }
        match unvouched.count() {
            0 => Ok(()),
            more => writeln!(text, "  and {more} more, which --json lists"),
        }
    }
}
