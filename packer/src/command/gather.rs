//! The first steps of all commands that pack a closure: its store paths, its files and what is in them.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use format::{Findings, LeftOut, Manifest, STORE_DIR, StorePath};

use super::smaller::{self, Whole};
use crate::cli;
use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::plan::entry::{self, Program};
use crate::plan::environment::{self, Rule};
use crate::plan::graphics::{self, Graphics};
use crate::plan::manifest;
use crate::plan::path_info::{self, Described};
use crate::plan::processor;
use crate::progress::Progress;
use crate::scan::content::Content;
use crate::scan::proof::Word;
use crate::scan::secret::Secrets;
use crate::show;
use crate::source::binary_cache::{Caches, Signatures};
use crate::source::closure::{Ask, Closure, Fetched};
use crate::source::exclude::Exclude;
use crate::source::installable;
use crate::source::kept::Place;
use crate::source::reference::Hashes;
use crate::source::store::Store;
use crate::source::tree::Tree;
use crate::trust::TrustedKeys;
use crate::trust::content_address::{self, Naming};

/// A closure whose files are known by name, but not yet read.
pub(crate) struct Found {
    store: Store,
    closure: Closure,
    fetched: Fetched,
    tree: Tree,
    programs: Vec<Program>,
    /// The store path of `--graphics`.
    drivers: Option<StorePath>,
    /// The processor type of the entries.
    pub(crate) machine: Machine,
    exclude: Exclude,
    /// What rules left out.
    left_out: Vec<LeftOut>,
    secrets: Secrets,
    threads: NonZeroUsize,
}

/// A closure with all that is known of it.
pub(crate) struct Gathered {
    pub(crate) store: Store,
    pub(crate) closure: Closure,
    /// What came from binary caches.
    pub(crate) fetched: Fetched,
    pub(crate) tree: Tree,
    pub(crate) content: Content,
    /// The entries; the first is the default.
    pub(crate) programs: Vec<Program>,
    /// Rules for the environment, in order.
    pub(crate) rules: Vec<Rule>,
    /// What the programs need of graphics drivers, if anything.
    pub(crate) graphics: Option<Graphics>,
    /// The hashes of the whole closure, excluded store paths too: Nix scans the output for them.
    pub(crate) hidden: Hashes,
    /// What rules left out, sorted by their names.
    pub(crate) left_out: Vec<LeftOut>,
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
    let root = options.store_root.as_deref();
    let is_fetched = !options.from.is_empty();
    let mut store = if is_fetched { Store::open_or_none(root)? } else { Store::open(root)? };
    let asked = installable::build(&options.closure)?;
    let drivers = installable::build(options.graphics.as_slice())?;

    // Closure: store paths, files, programs.
    progress.start("scanning", None);
    let graph = options.closure_graph.as_deref();
    let all = [&asked[..], if graph.is_some() { &[] } else { &drivers }].concat();
    let (closure, fetched) = if is_fetched {
        let caches = || caches(options, progress);
        let place = || kept(options);
        Closure::fetch(&mut store, &all, caches, place, ask, threads, progress)?
    } else {
        let closure = Closure::find(&store, &all, graph, ask, threads, progress)?;
        (closure, Fetched::default())
    };
    if fetched.unvouched > 0 {
        let (count, all) = (fetched.unvouched, fetched.paths.len());
        progress.say(&format!(
            "warning: nobody that is trusted signed {count} of {all} store paths from binary caches\n{UNVOUCHED}"
        ));
    }
    let tree = Tree::read(&store, &closure.paths, &exclude)?;
    let drivers = graphics::choose(&store, &tree, &drivers)?;
    let named: Vec<StorePath> =
        closure.roots.iter().filter(|root| drivers.as_ref() != Some(*root)).cloned().collect();
    let choose =
        |store: &Store, tree: &Tree| match entry::choose(store, tree, &named, &options.entry) {
            Err(Error::NoProgram { .. } | Error::SeveralPrograms { .. })
                if entries == Entries::Name =>
            {
                Ok(Vec::new())
            }
            programs => programs,
        };
    let programs = choose(&store, &tree)?;
    let whole = Whole { closure: &closure, programs: &programs, drivers: drivers.as_ref() };
    let (tree, left_out) = smaller::make(&mut store, tree, options, &whole, threads, progress)?;
    let machine = processor::choose(&store, &tree, &programs, machine.or(options.system))?;
    Ok(Found {
        store,
        closure,
        fetched,
        tree,
        programs,
        drivers,
        machine,
        exclude,
        left_out,
        secrets,
        threads,
    })
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
        let Found {
            store,
            closure,
            fetched,
            tree,
            programs,
            drivers,
            exclude,
            left_out,
            secrets,
            threads,
            ..
        } = self;
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
        let rules = user_rules.with_defaults(environment::defaults(&tree, content.texts()));
        // What drivers have in them says nothing of the programs that look for them.
        let others = closure.roots.iter().filter(|root| drivers.as_ref() != Some(*root));
        let others = others.filter_map(|root| tree.number_of(root));
        let texts = content.texts_from(others);
        let graphics = Graphics::find(&store, &tree, texts, drivers)?;
        check_fetched(&fetched, &tree, &content)?;
        Ok(Gathered {
            store,
            closure,
            fetched,
            tree,
            content,
            programs,
            rules,
            graphics,
            hidden,
            left_out,
            threads,
        })
    }
}

impl Gathered {
    /// Makes the manifest; warns of store paths that are not as Nix knows them.
    pub(crate) fn manifest(&self, findings: &Findings, progress: &Progress) -> Manifest {
        let Described { info, altered } =
            path_info::describe(&self.tree, &self.content, &self.closure.known);
        for path in altered {
            progress.say(&format!(
                "warning: the files of {STORE_DIR}/{path} are not those that Nix knows\n{ALTERED}"
            ));
        }
        let mut manifest = manifest::manifest(&self.tree, &self.content, findings, info);
        manifest.is_unchecked = self.fetched.unvouched > 0;
        manifest.left_out.clone_from(&self.left_out);
        manifest
    }
}

/// Opens the binary caches of `--from`.
fn caches(options: &cli::Packed, progress: &Progress) -> Result<Caches> {
    let keys = TrustedKeys::new(&options.trust.trusted_key)?;
    let signatures = match options.insecure_no_signatures {
        true => Signatures::NotRequired,
        false => Signatures::Required,
    };
    let silence = Duration::from_secs(options.timeout.into());
    Caches::open(&options.from, keys, signatures, silence, progress)
}

/// Opens the place for what is fetched.
fn kept(options: &cli::Packed) -> Result<Place> {
    let place = if options.no_cache { Place::for_run() } else { Place::open() };
    // The user's directory need not work; the one for temporary files does.
    let dir = || show::path(&std::env::temp_dir());
    place.map_err(|error| Error::NotKept { dir: dir(), reason: error.to_string() })
}

/// Checks that what was fetched is what was signed, with no reference that was not.
///
/// The NAR was compared when it was fetched, but it is read from a file that somebody may have changed since.
fn check_fetched(fetched: &Fetched, tree: &Tree, content: &Content) -> Result<()> {
    for (number, (path, content)) in tree.paths.iter().zip(&content.paths).enumerate() {
        let Some(known) = fetched.paths.get(path) else { continue };
        let shown = |path: &StorePath| format!("{STORE_DIR}/{path}");
        let is_same = (content.nar_hash, content.nar_len) == (known.nar_hash, known.nar_len);
        if !is_same && !tree.partial[number] {
            return Err(Error::KeptChanged { path: shown(path) });
        }
        // Nix does not scan what is named by its content: its references are part of the name, and a text in it is none.
        let address = &known.content_address;
        let naming =
            content_address::claimed(path, address, known.references.iter(), known.nar_hash);
        if naming == Naming::Fits {
            continue;
        }
        let references = content.references.iter().map(|number| &tree.paths[*number as usize]);
        if let Some(unlisted) = references.into_iter().find(|path| !known.references.contains(path))
        {
            return Err(Error::UnlistedReference { path: shown(path), reference: shown(unlisted) });
        }
    }
    Ok(())
}

/// The hint for store paths that were taken without a signature.
const UNVOUCHED: &str =
    "hint: --insecure-no-signatures takes what anybody made; the bundle says so, too";

/// The hint for a pattern that matches nothing.
const PATTERNS: &str = "hint: a pattern is for a whole path below a store path, such as share/man/** or **/*.pyc, or \
    begins with /nix/store; quote it from the shell";

/// The hint for a store path that is not what Nix knows.
const ALTERED: &str = "hint: nix-store --verify --check-contents finds such store paths, and with --repair repairs them; \
    they are packed as they are, without their signatures";
