//! `packer build`: the steps from a closure to a bundle.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Instant;

use runtime::error::Escaped;

use super::summary::{self, Summary};
use crate::error::Result;
use crate::output::bundle;
use crate::output::frame::FrameCache;
use crate::output::payload::{Input, Options};
use crate::output::stub::Stub;
use crate::output::tar::Layout;
use crate::plan::verdict::Relocation;
use crate::plan::{Plan, entry, environment, manifest, modes};
use crate::progress::Progress;
use crate::scan::content::Content;
use crate::scan::proof::Word;
use crate::scan::secret::Secrets;
use crate::source::closure::Closure;
use crate::source::exclude::Exclude;
use crate::source::installable;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;
use crate::{cli, show};

/// Packs closures into one executable.
///
/// # Errors
///
/// If any step fails; no partial output is left.
pub(crate) fn build(options: &cli::Build) -> Result<()> {
    let started = Instant::now();
    let threads = options.threads.unwrap_or(available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let progress = Progress::new();

    // Inputs: stub, patterns, secrets, store; Nix builds the installables.
    let stub = Stub::load(options.stub.as_deref())?;
    let exclude = Exclude::new(&options.exclude)?;
    let word = Word {
        relocate: Exclude::new(&options.relocate)?,
        no_relocate: Exclude::new(&options.no_relocate)?,
    };
    let secrets = Secrets::read(&options.secret)?;
    let store = Store::open(options.store_root.as_deref())?;

    let asked = installable::build(&options.closure)?;

    // Closure: store paths, files, programs.
    progress.start("scanning", None);
    let graph = options.closure_graph.as_deref();
    let closure = Closure::find(&store, &asked, graph, threads, &progress)?;
    let tree = Tree::read(&store, &closure.paths, &exclude)?;
    let programs = entry::choose(&store, &tree, &closure.roots, &options.entry, stub.machine())?;
    let hashes = Hashes::of_paths(&tree.paths);
    // Includes excluded store paths: Nix scans the bundle for the hashes of the whole closure.
    let hidden = Hashes::of_paths(&closure.paths);
    let user_rules = environment::user_rules(&tree, &hidden, &options.env)?;

    // Content: digests, references, order; it holds no secret.
    progress.start("reading", Some(tree.len()));
    let content = Content::read(&store, &tree, &hashes, &word, &secrets, threads, &progress)?;
    let used = [
        ("--exclude", &exclude, "no file"),
        ("--no-relocate", &word.no_relocate, "no file"),
        ("--relocate", &word.relocate, "no file that is in doubt"),
    ];
    for (option, patterns, nothing) in used {
        for pattern in patterns.unused() {
            progress.say(&format!("warning: {option} {pattern} matches {nothing}\n{PATTERNS}"));
        }
    }
    let findings = content.findings();
    let modes = modes::choose(&options.mode, &findings)?;
    let rules = user_rules.with_defaults(environment::defaults(&tree, content.variables()));
    let manifest = manifest::manifest(&tree, &content, &findings);
    let plan =
        Plan { programs, modes, rules, argv0: options.argv0(), manifest, roots: closure.roots };
    let layout = Layout::new(&tree, &content);

    // Output: payload, then the stub in front of it.
    let path = options.output.clone().unwrap_or_else(|| default_output(&plan.programs));
    progress.start("packing", Some(layout.len()));
    let input = Input {
        store: &store,
        tree: &tree,
        content: &content,
        layout: &layout,
        plan: &plan,
        hidden: &hidden,
    };
    let cache = if options.no_cache { FrameCache::none() } else { FrameCache::open() };
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
        files: tree.file_count(),
        frames: written.frames,
        bytes_before: tree.len(),
        bytes_after: written.file_len,
        seconds: summary::seconds(started.elapsed()),
    }
    .print(options.json)
}

/// The hint for a pattern that matches nothing.
const PATTERNS: &str = "hint: a pattern is for a whole path below a store path, such as share/man/** or **/*.pyc, or \
    begins with /nix/store; quote it from the shell";

/// Returns the default of `--output`: the name of the first entry, in the current directory.
fn default_output(programs: &[entry::Program]) -> PathBuf {
    let name = programs.first().map(|program| OsStr::from_bytes(program.name()));
    PathBuf::from(".").join(name.unwrap_or_default())
}
