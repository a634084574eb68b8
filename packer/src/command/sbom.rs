//! `packer sbom`: lists what is in a bundle or a closure, for other programs.

use format::StorePath;
use runtime::error::Escaped;

use super::gather::{self, Entries};
use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::plan::entry::Program;
use crate::progress::Progress;
use crate::sbom::{self, Bill, Meta, Subject};
use crate::scan::proof::Word;
use crate::source::bundle::Bundle;
use crate::source::closure::Ask;

/// Writes the bill of materials of a bundle or of a closure.
///
/// # Errors
///
/// If the bundle is damaged, the closure cannot be read, or the file of `--meta` is malformed.
pub(crate) fn sbom(options: &cli::Sbom) -> Result<()> {
    let meta = options.meta.as_deref().map(Meta::read).transpose()?;
    let bill = match &options.bundle {
        Some(path) => of_bundle(&Bundle::open(path)?, meta)?,
        None => of_closure(&options.packed, &meta.unwrap_or_default())?,
    };
    let text = sbom::write(&bill, options.format)?;
    match &options.output {
        Some(path) => {
            let mut output = OutputFile::create_data(path)?;
            output.append(text.as_bytes())?;
            output.publish()
        }
        None => print::text(&text),
    }
}

/// What an embedded document was told about licenses counts here, too, unless the user tells something else.
fn of_bundle(bundle: &Bundle, meta: Option<Meta>) -> Result<Bill> {
    let manifest = &bundle.sections.manifest;
    let meta = match meta {
        Some(meta) => meta,
        None if manifest.sbom.is_empty() => Meta::default(),
        None => sbom::embedded_meta(&manifest.sbom).map_err(|error| Error::Contradiction {
            path: bundle.path.clone(),
            what: format!("its bill of materials is malformed: {error}"),
        })?,
    };
    let descriptor = &bundle.header.descriptor;
    let path = |number: u16| descriptor.paths[usize::from(number)].path.clone();
    let first = &descriptor.entries[0];
    let subject = Subject {
        name: Escaped(first.name(&descriptor.paths)).to_string(),
        path: path(first.path),
        entries: descriptor.entries.iter().map(|entry| path(entry.path)).collect(),
    };
    Ok(Bill::new(subject, manifest, &meta))
}

fn of_closure(packed: &cli::Packed, meta: &Meta) -> Result<Bill> {
    let progress = Progress::new();
    let found = gather::find(packed, Entries::Name, Ask::PathInfo, None, &progress)?;
    let gathered = found.read(packed, &Word::default(), &progress)?;
    let manifest = gathered.manifest(&gathered.content.findings(), &progress);
    let subject = subject(&gathered.programs, &gathered.closure.roots);
    Ok(Bill::new(subject, &manifest, meta))
}

/// Names a closure after its first entry, else after its first store path.
pub(super) fn subject(programs: &[Program], roots: &[StorePath]) -> Subject {
    let entries: Vec<StorePath> = programs.iter().map(|program| program.path.clone()).collect();
    match (programs.first(), roots) {
        (Some(program), _) => Subject {
            name: Escaped(program.name()).to_string(),
            path: program.path.clone(),
            entries,
        },
        // A closure has a root.
        (None, roots) => Subject {
            name: sbom::name::split(roots[0].name()).0.to_owned(),
            path: roots[0].clone(),
            entries,
        },
    }
}
