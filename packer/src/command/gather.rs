//! The first steps of all commands that pack a closure: its store paths, its files and what is in them.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::cli;
use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::plan::entry::{self, Program};
use crate::plan::environment::{self, Rule};
use crate::plan::processor;
use crate::progress::Progress;
use crate::scan::content::Content;
use crate::scan::proof::Word;
use crate::scan::secret::Secrets;
use crate::source::closure::{Ask, Closure};
use crate::source::exclude::Exclude;
use crate::source::installable;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// A closure whose files are known by name, but not yet read.
pub(crate) struct Found {
    store: Store,
    closure: Closure,
    tree: Tree,
    programs: Vec<Program>,
    /// The processor type of the entries.
    pub(crate) machine: Machine,
    exclude: Exclude,
    secrets: Secrets,
    threads: NonZeroUsize,
}

/// A closure with all that is known of it.
pub(crate) struct Gathered {
    pub(crate) store: Store,
    pub(crate) closure: Closure,
    pub(crate) tree: Tree,
    pub(crate) content: Content,
    /// The entries; the first is the default.
    pub(crate) programs: Vec<Program>,
    /// Rules for the environment, in order.
    pub(crate) rules: Vec<Rule>,
    /// The hashes of the whole closure, excluded store paths too: Nix scans the output for them.
    pub(crate) hidden: Hashes,
    pub(crate) threads: NonZeroUsize,
}

/// What a command does with the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    /// It runs the first.
    Run,
    /// It names the result after the first. Without `--entry`, there may be none.
    Name,
}

/// Finds a closure, its files and its entries. `machine` is the processor type if the caller knows it.
///
/// # Errors
///
/// If an option is wrong, a file cannot be read, or the entries cannot run on one processor type.
pub(crate) fn find(
    options: &cli::Packed,
    entries: Entries,
    ask: Ask,
    machine: Option<Machine>,
    progress: &Progress,
) -> Result<Found> {
    let threads = options.threads.unwrap_or(available_parallelism().unwrap_or(NonZeroUsize::MIN));

    // Inputs: patterns, secrets, store; Nix builds the installables.
    let exclude = Exclude::new(&options.exclude)?;
    let secrets = Secrets::read(&options.secret)?;
    let store = Store::open(options.store_root.as_deref())?;
    let asked = installable::build(&options.closure)?;

    // Closure: store paths, files, programs.
    progress.start("scanning", None);
    let graph = options.closure_graph.as_deref();
    let closure = Closure::find(&store, &asked, graph, ask, threads, progress)?;
    let tree = Tree::read(&store, &closure.paths, &exclude)?;
    let programs = match entry::choose(&store, &tree, &closure.roots, &options.entry) {
        Err(Error::NoProgram { .. } | Error::SeveralPrograms { .. })
            if entries == Entries::Name =>
        {
            Vec::new()
        }
        programs => programs?,
    };
    let machine = processor::choose(&store, &tree, &programs, machine.or(options.system))?;
    Ok(Found { store, closure, tree, programs, machine, exclude, secrets, threads })
}

impl Found {
    /// Reads the files; warns of patterns that match nothing.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds a secret, or a rule for the environment is wrong.
    pub(crate) fn read(
        self,
        options: &cli::Packed,
        word: &Word,
        progress: &Progress,
    ) -> Result<Gathered> {
        let Found { store, closure, tree, programs, exclude, secrets, threads, .. } = self;
        let hashes = Hashes::of_paths(&tree.paths);
        let hidden = Hashes::of_paths(&closure.paths);
        let user_rules = environment::user_rules(&tree, &hidden, &options.env)?;

        // Content: digests, references, order; it holds no secret.
        progress.start("reading", Some(tree.len()));
        let content = Content::read(&store, &tree, &hashes, word, &secrets, threads, progress)?;
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
        let rules = user_rules.with_defaults(environment::defaults(&tree, content.variables()));
        Ok(Gathered { store, closure, tree, content, programs, rules, hidden, threads })
    }
}

/// The hint for a pattern that matches nothing.
const PATTERNS: &str = "hint: a pattern is for a whole path below a store path, such as share/man/** or **/*.pyc, or \
    begins with /nix/store; quote it from the shell";
