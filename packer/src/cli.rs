//! The command line, in the contract's words.

mod nix_bundle;

use std::env;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::error::{Error, Result};
use crate::output::stub::Stub;

/// Turns a Nix closure into one static executable.
#[derive(Debug, Parser)]
#[command(version = version(), about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack closures into one executable
    Build(Box<Build>),
    /// Say what is in a bundle
    Inspect(Inspect),
    /// Check every byte behind a bundle's stub
    Verify(Verify),
    /// Write the closure in a bundle to DIR/nix/store
    Extract(Extract),
    /// Look after the cache of this machine's user
    #[command(subcommand)]
    Cache(Cache),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print a manual page, for man -l -
    Man(Man),
}

/// This packer's version, the version of the bundles it writes, and the machine that its stub is for.
fn version() -> String {
    let stub = Stub::load(None).map_or_else(|_| "none".to_owned(), |stub| stub.target());
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} (bundle format {}, stub {stub})", format::BUNDLE_VERSION)
}

/// Parses the command line of this process; ends it after `--help` and `--version`.
///
/// # Errors
///
/// A usage error; if the command line is of nix-bundle's form, it says how to write that here.
pub(crate) fn parse() -> Result<Command> {
    let words: Vec<OsString> = env::args_os().collect();
    match Cli::try_parse_from(&words) {
        Ok(cli) => Ok(cli.command),
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => Err(without_names(&words, error.kind()).unwrap_or_else(|| usage(&error))),
    }
}

/// clap's message in two lines: what is wrong, and its tip if it has one.
fn usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = paragraphs.find_map(|text| text.trim().strip_prefix("tip: "));
    Error::Usage { message, tip: tip.map(str::to_owned) }
}

/// The answer to a command line that gives closure and entry without their options' names.
fn without_names(words: &[OsString], kind: ErrorKind) -> Option<Error> {
    let first = words.get(1)?;
    match kind {
        ErrorKind::UnknownArgument if first == "build" => nix_bundle::after_build(&words[2..]),
        ErrorKind::InvalidSubcommand if Cli::command().find_subcommand(first).is_none() => {
            nix_bundle::after_packer(&words[1..])
        }
        _ => None,
    }
}

/// Options of `packer build`.
#[derive(Args, Debug)]
pub(crate) struct Build {
    /// What to pack: a store path, a link to one, or a path below one; or what `nix build` takes, such as
    /// .#markov or nixpkgs#hello, which is built first; may be repeated
    #[arg(long, value_name = "PATH", required_unless_present = "closure_graph")]
    pub(crate) closure: Vec<PathBuf>,

    /// Take the closure from what Nix wrote for a build: .attrs.json or the file that exportReferencesGraph
    /// asks for, closureInfo's registration or store-paths; --closure then says which of its paths are
    /// meant [default: those that no other one refers to]
    #[arg(long, value_name = "FILE")]
    pub(crate) closure_graph: Option<PathBuf>,

    /// Program of the closure to run, such as /bin/markov; may be repeated: the first is the default,
    /// the others are chosen by name, as busybox does; may be left out if there is exactly one program in bin/
    #[arg(long, value_name = "PATH")]
    pub(crate) entry: Vec<OsString>,

    /// File to write [default: the name of the first entry, in the current directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// zstd's compression level, 1 to 22; above 19 unpacking takes more memory
    #[arg(long, value_name = "N", default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,

    /// Modes the bundle may use, separated by commas: host, relocate, namespace, ram
    /// [default: all that fit]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) mode: Vec<String>,

    /// Leave out what matches, such as 'share/man/**' below each store path or
    /// '/nix/store/*-doc'; a directory goes with all below it; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Vouch for the references in what matches, where the packer cannot judge whether relocation is right; may be
    /// repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) relocate: Vec<String>,

    /// Never rewrite references in what matches, so that the closure is not relocated; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) no_relocate: Vec<String>,

    /// Set a variable for the program: K=V always, K?=V unless it is set; K- removes it, K keeps one that
    /// would be removed or set by default; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<OsString>,

    /// Take the closure from the store at DIR/nix/store, by scanning files instead of asking Nix
    #[arg(long, value_name = "DIR")]
    pub(crate) store_root: Option<PathBuf>,

    /// Stub to put in front, instead of the one this program carries
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,

    /// Threads to use; the output is the same with any number [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Compress everything anew, and keep nothing of it in ~/.cache/packer for the next build
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `packer inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The bundle
    pub(crate) bundle: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `packer verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The bundle
    pub(crate) bundle: PathBuf,
}

/// Options of `packer extract`.
#[derive(Args, Debug)]
pub(crate) struct Extract {
    /// The bundle
    pub(crate) bundle: PathBuf,

    /// Directory to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

/// Options of `packer completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Options of `packer man`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The command to describe, such as build [default: packer itself]
    pub(crate) command: Option<String>,
}

/// What `packer cache` does.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Cache {
    /// List the bundles that are unpacked
    List,
    /// Remove what was not run for a while
    Gc {
        /// Days for which a bundle is kept after its last run
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
    },
    /// Remove everything that is not running
    Clear,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn modes_are_split_at_commas() {
        let cli =
            Cli::parse_from(["packer", "build", "--closure", "result", "--mode", "host,namespace"]);
        let Command::Build(build) = cli.command else { panic!("not build") };
        assert_eq!(build.mode, ["host", "namespace"]);
        assert_eq!(build.level, 19);
    }
}
