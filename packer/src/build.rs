//! `packer build`: the steps from a closure to a bundle.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::closure::Closure;
use crate::content::{self, Content};
use crate::error::Result;
use crate::exclude::Exclude;
use crate::frame::FrameCache;
use crate::payload::{self, Source};
use crate::progress::Progress;
use crate::show::{self, Show};
use crate::store::Store;
use crate::stub::Stub;
use crate::summary::{self, Relocation, Summary};
use crate::tar::Layout;
use crate::tree::Tree;
use crate::write::Output;
use crate::{cli, descriptor, entry, environment, installable, modes};

/// Packs closures into one executable.
///
/// # Errors
///
/// If anything is wrong; nothing is then left of the output.
pub(crate) fn build(options: &cli::Build) -> Result<()> {
    let started = Instant::now();
    let threads = options.threads.unwrap_or(available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let progress = Progress::new();

    // What was asked for.
    let stub = Stub::load(options.stub.as_deref())?;
    let exclude = Exclude::new(&options.exclude)?;
    let store = Store::open(options.store_root.as_deref())?;

    let asked = installable::build(&options.closure)?;

    // Closure: store paths, files, programs.
    progress.start("scanning", None);
    let graph = options.closure_graph.as_deref();
    let closure = Closure::find(&store, &asked, graph, threads, &progress)?;
    let tree = Tree::read(&store, &closure.paths, &exclude)?;
    let programs = entry::choose(&store, &tree, &closure.roots, &options.entry, stub.machine())?;
    let hashes = content::hashes(&tree.paths);
    // Those that are excluded too: Nix looks for all.
    let hidden = content::hashes(&closure.paths);
    let wishes = environment::wishes(&tree, &hidden, &options.env)?;

    // Content: digests, references, order.
    progress.start("reading", Some(tree.len()));
    let content = Content::read(&store, &tree, &hashes, threads, &progress)?;
    let modes = modes::choose(&options.mode, content.obstacles().next())?;
    let rules = wishes.over(environment::defaults(&tree, &content.variables()));
    let manifest = descriptor::manifest(&tree, &content);
    let layout = Layout::new(&tree, &content);

    // Output: payload, then the stub in front of it, which says where everything is.
    let path = options.output.clone().unwrap_or_else(|| default_output(&programs));
    let mut output = Output::create(&path, stub.len())?;
    progress.start("packing", Some(layout.len()));
    let source = Source {
        store: &store,
        tree: &tree,
        content: &content,
        layout: &layout,
        manifest: &manifest,
        modes,
        hidden: &hidden,
    };
    let cache = if options.no_cache { FrameCache::none() } else { FrameCache::open() };
    let packing = payload::Options { level: options.level, threads, cache };
    let payload = payload::write(&mut output, &source, &packing, &progress)?;
    let descriptor =
        descriptor::descriptor(&payload, modes, &programs, &rules, &manifest, &closure.roots)?;
    output.write_head(&stub.fill(&descriptor)?)?;
    output.check(&hidden)?;
    output.publish()?;
    packing.cache.sweep();
    drop(progress);

    Summary {
        output: show::path(&path),
        entries: programs.iter().map(|program| Show(program.name()).to_string()).collect(),
        relocation: Relocation::new(&content),
        modes: modes.iter().map(format::Mode::name).collect(),
        store_paths: tree.paths.len(),
        files: tree.file_count(),
        frames: payload.frames,
        bytes_before: tree.len(),
        bytes_after: payload.end,
        seconds: summary::seconds(started.elapsed()),
    }
    .print(options.json)
}

/// The name of the first entry, in the current directory.
fn default_output(programs: &[entry::Program]) -> PathBuf {
    let name = programs.first().map(|program| OsStr::from_bytes(program.name()));
    PathBuf::from(".").join(name.unwrap_or_default())
}
