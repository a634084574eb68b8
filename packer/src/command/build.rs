//! `packer build`: the steps from a closure to a bundle.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Instant;

use format::{Release, StorePath};
use runtime::error::Escaped;

use super::gather::{self, Entries, Gathered};
use super::summary::{self, Summary};
use super::{sbom, sign};
use crate::error::{Error, Result};
use crate::output::bundle;
use crate::output::frame::FrameCache;
use crate::output::payload::{Input, Options};
use crate::output::stub::Stub;
use crate::output::tar::BundleLayout;
use crate::plan::entry::Program;
use crate::plan::graphics::Graphics;
use crate::plan::subset::{self, Subsets};
use crate::plan::verdict::Relocation;
use crate::plan::{Plan, environment, manifest, modes};
use crate::progress::Progress;
use crate::sbom::{self as bill, Bill, Form, Meta, name};
use crate::scan::proof::Word;
use crate::source::exclude::Exclude;
use crate::source::reference::Hashes;
use crate::update::location::Location;
use crate::{cli, show};

/// Bytes of a version or URL at most: far more than any has.
const RELEASE_LEN: usize = 2000;

/// Packs closures into one executable.
///
/// # Errors
///
/// If any step fails; no partial output is left.
pub(crate) fn build(options: &cli::Build) -> Result<()> {
    let started = Instant::now();
    let progress = Progress::new();

    // Inputs, closure, content.
    let meta = match &options.meta {
        Some(file) => Some(Meta::read(file)?),
        None => options.sbom.then(Meta::default),
    };
    let given = options.stub.as_deref().map(Stub::read).transpose()?;
    let word = Word {
        relocate: Exclude::new(&options.relocate)?,
        no_relocate: Exclude::new(&options.no_relocate)?,
    };
    let machine = given.as_ref().map(Stub::machine);
    if let (Some(path), Some(found), Some(machine)) =
        (&options.stub, machine, options.packed.system)
        && found != machine
    {
        return Err(Error::OtherMachine { path: show::path(path), found, machine });
    }
    let found = gather::find(&options.packed, Entries::Run, options.ask(), machine, &progress)?;
    let stub = given.map_or_else(|| Stub::embedded(found.machine), Ok)?;
    let gathered = found.read(&options.packed, &word, &progress)?;
    let findings = gathered.content.findings();
    let modes = modes::choose(&options.mode, &findings)?;
    let mut manifest = gathered.manifest(&findings, &progress);
    let Gathered {
        store,
        closure,
        fetched,
        tree,
        content,
        programs,
        mut rules,
        graphics,
        hidden,
        left_out,
        threads,
    } = gathered;
    if options.portable {
        rules.extend(environment::portable());
    }
    let mut hidden = hidden;
    if let Some(meta) = &meta {
        let subject = sbom::subject(&programs, &closure.roots);
        manifest.sbom = bill::write(&Bill::new(subject, &manifest, meta), Form::Cyclonedx)?;
        hidden = Hashes::new(manifest::named(&manifest, &closure.paths));
    }
    manifest.release = release(options, &programs)?;
    manifest.stub = Some(stub.digest());
    let Subsets { of_entries: subsets, all } =
        subset::choose(&manifest, &programs, common(&rules, graphics.as_ref()));
    manifest.subsets = all;
    let (argv0, roots) = (options.argv0(), closure.roots);
    let host_programs = environment::host_programs(content.texts(), &rules, graphics.as_ref());
    let groups = subset::groups(&manifest);
    let layout = BundleLayout::new(&tree, &content, &groups);
    let plan =
        Plan { programs, subsets, modes, rules, graphics, host_programs, argv0, manifest, roots };

    // Output: payload, then the stub in front of it.
    let path = options.output.clone().unwrap_or_else(|| default_output(&plan.programs));
    progress.start("packing", Some(layout.tar().len()));
    let input = Input {
        store: &store,
        tree: &tree,
        content: &content,
        layout: &layout,
        plan: &plan,
        hidden: &hidden,
    };
    let cache = if options.packed.no_cache { FrameCache::none() } else { FrameCache::open() };
    let packing = Options { level: options.level, threads, cache };
    let written = bundle::write(&path, stub, &input, &packing, &progress)?;
    drop(progress);

    let (references, files) = content.count_references();
    Summary {
        output: show::path(&path),
        entries: plan.programs.iter().map(|p| Escaped(p.name()).to_string()).collect(),
        relocation: Relocation::new(findings, references, files),
        modes: modes.iter().map(format::Mode::name).collect(),
        store_paths: tree.paths.len(),
        fetched: fetched.paths.len(),
        unvouched: fetched.unvouched,
        files: tree.file_count(),
        left_out: left_out.into_iter().map(Into::into).collect(),
        frames: written.frames,
        bytes_before: tree.len(),
        bytes_after: written.file_len,
        seconds: summary::seconds(started.elapsed()),
    }
    .print(options.json)
}

/// Returns what the bundle says of itself to `packer update`.
fn release(options: &cli::Build, programs: &[Program]) -> Result<Release> {
    let first = programs.first().map(|program| program.path.name()).unwrap_or_default();
    let version = options.release.clone().unwrap_or_else(|| name::split(first).1.to_owned());
    let url = options.update_url.clone().unwrap_or_default();
    let is_odd = |text: &&String| text.len() > RELEASE_LEN || text.contains(char::is_control);
    if let Some(text) = [&version, &url].into_iter().find(is_odd) {
        let start: String = text.chars().take(40).collect();
        return Err(Error::OddRelease { text: show::text(&start) });
    }
    let is_of_server = url.starts_with("https://") || url.starts_with("http://");
    if !url.is_empty() && (!is_of_server || url.contains(' ') || Location::parse(&url).is_err()) {
        return Err(Error::NoUpdateUrl { url });
    }
    let key = options.update_key.as_deref().map(sign::public_key).transpose()?;
    Ok(Release { version, url, key: key.map_or_else(String::new, |key| key.text()) })
}

/// The store paths that all entries need: rules name them, or they are the bundle's own drivers.
fn common<'a>(
    rules: &'a [environment::Rule],
    graphics: Option<&'a Graphics>,
) -> impl Iterator<Item = &'a StorePath> {
    let pieces = rules.iter().flat_map(|rule| &rule.value);
    let named = pieces.filter_map(|piece| match piece {
        environment::Piece::Path(path) => Some(path),
        environment::Piece::Bytes(_) | environment::Piece::Bundle => None,
    });
    named.chain(graphics.and_then(|graphics| graphics.drivers.as_ref()))
}

/// Returns the default of `--output`: the name of the first entry, in the current directory.
fn default_output(programs: &[Program]) -> PathBuf {
    let name = programs.first().map(|program| OsStr::from_bytes(program.name()));
    PathBuf::from(".").join(name.unwrap_or_default())
}
