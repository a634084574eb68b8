//! The command line: commands, options and their help texts.

mod nix_bundle;

use std::env;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use format::Argv0;

use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::output::image::Compression;
use crate::output::stub::Stub;
use crate::registry::Transport;
use crate::sbom::Form;
use crate::source::closure::Ask;

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
    /// Pack closures, or a bundle, as an OCI image
    Image(Box<Image>),
    /// Show what a bundle contains
    Inspect(Inspect),
    /// Check all digests of a bundle, and that its parts agree
    Verify(Verify),
    /// Write the closure of a bundle to DIR/nix/store
    Extract(Extract),
    /// List or remove the bundles that this user's starts have unpacked; add one to a cache for all users
    #[command(subcommand)]
    Cache(Cache),
    /// Find store paths by name, in a list of them
    Find(Find),
    /// Send an OCI image or a bundle to a registry
    Push(Push),
    /// Get a bundle from a registry
    Pull(Pull),
    /// Write a list of the store paths of a bundle or a closure for other programs (SBOM): CycloneDX or SPDX
    Sbom(Box<Sbom>),
    /// Make a key that packer sign and minisign sign with
    Keygen(Keygen),
    /// Sign a bundle as minisign does: BUNDLE.minisig
    Sign(Sign),
    /// Print a systemd unit file for a bundle
    Unit(Unit),
    /// Replace a bundle by a newer one from a web server; only what is new is fetched
    Update(Update),
    /// Write what changed from one bundle to another: a delta, from which packer apply makes the new bundle
    Delta(Delta),
    /// Make the new bundle from the old one and a delta
    Apply(Apply),
    /// Show what changed from one bundle to another, and how much an update brings
    Diff(Diff),
    /// Install, remove or list the desktop entries of bundles, for the user who calls it
    Desktop(Desktop),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print a manual page; read it with man -l -
    Man(Man),
}

/// Returns the text of `--version`: packer's version, the bundle format's version and the processor types of its stubs.
fn version() -> String {
    let stubs: Vec<String> = Stub::machines().map(|machine| machine.to_string()).collect();
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} (bundle format {}, stubs for {})", format::BUNDLE_VERSION, stubs.join(", "))
}

fn system(name: &str) -> Result<Machine> {
    Machine::of_system(name).ok_or_else(|| Error::UnknownSystem { name: name.to_owned() })
}

/// Parses the command line of this process; exits after `--help` and `--version`.
///
/// # Errors
///
/// A usage error. If the arguments have the form of nix-bundle's, it gives the command line for packer.
pub(crate) fn parse() -> Result<Command> {
    let words: Vec<OsString> = env::args_os().collect();
    match Cli::try_parse_from(&words) {
        Ok(cli) => Ok(cli.command),
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            Err(missing_option_names(&words, error.kind()).unwrap_or_else(|| usage(&error)))
        }
    }
}

/// Converts clap's error to ours: what is wrong, and clap's tip if there is one.
fn usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = paragraphs.find_map(|text| text.trim().strip_prefix("tip: "));
    Error::Usage { message, tip: tip.map(str::to_owned) }
}

/// Makes the error for a command line that gives closure and entry without `--closure` and `--entry`.
fn missing_option_names(words: &[OsString], kind: ErrorKind) -> Option<Error> {
    let first = words.get(1)?;
    match kind {
        ErrorKind::UnknownArgument if first == "build" => nix_bundle::after_build(&words[2..]),
        ErrorKind::InvalidSubcommand if Cli::command().find_subcommand(first).is_none() => {
            nix_bundle::after_packer(&words[1..])
        }
        _ => None,
    }
}

/// What to pack: options of all commands that pack a closure.
#[derive(Args, Debug, Default)]
pub(crate) struct Packed {
    /// What to pack: a store path, a link to one or a path below one; or an installable of `nix build` such as
    /// .#markov or nixpkgs#hello, which Nix builds first; may be repeated
    #[arg(long, value_name = "PATH", required_unless_present = "closure_graph")]
    pub(crate) closure: Vec<PathBuf>,

    /// Read the closure from a file that Nix writes for a build: .attrs.json, a file that exportReferencesGraph
    /// names, or closureInfo's registration or store-paths; --closure then names the roots
    /// [default: the store paths that no other one refers to]
    #[arg(long, value_name = "FILE")]
    pub(crate) closure_graph: Option<PathBuf>,

    /// Program of the closure to run, such as /bin/markov [default: the only program in bin/]; may be repeated:
    /// the bundle runs the first unless it is called by the name of another, as with busybox
    #[arg(long, value_name = "PATH")]
    pub(crate) entry: Vec<OsString>,

    /// Leave out files that match, such as 'share/man/**' below each store path or '/nix/store/*-doc'; a
    /// directory is left out with everything below it; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    #[command(flatten)]
    pub(crate) smaller: Smaller,

    /// A file whose content must not be in the closure: then nothing is packed; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Vec<PathBuf>,

    /// Rule for an environment variable: K=V sets it, K?=V sets it only if it is unset, K- removes it, K keeps
    /// the caller's value of a variable that has a default rule; %BUNDLE% in V is the bundle's path; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<OsString>,

    /// Graphics drivers to pack, for hosts whose own do not fit: a store path, link or installable with what NixOS has
    /// at /run/opengl-driver, such as nixpkgs#mesa
    #[arg(long, value_name = "DRIVERS")]
    pub(crate) graphics: Option<PathBuf>,

    /// Read the store at DIR/nix/store, and find the closure by scanning files instead of asking Nix
    #[arg(long, value_name = "DIR")]
    pub(crate) store_root: Option<PathBuf>,

    /// A binary cache to fetch from what this machine's store does not have: a URL, a directory, or a file of nix-store
    /// --export; they are asked in order; may be repeated
    #[arg(long, value_name = "URL", conflicts_with = "closure_graph")]
    pub(crate) from: Vec<String>,

    #[command(flatten)]
    pub(crate) trust: Trust,

    /// Take from binary caches what no trusted key signed: whoever runs them, or is on the way, decides what is packed
    #[arg(long, requires = "from")]
    pub(crate) insecure_no_signatures: bool,

    /// Seconds without data after which a binary cache is not waited for
    #[arg(long, value_name = "N", default_value_t = 60, requires = "from", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,

    /// What the closure is for, as Nix names it: x86_64-linux, aarch64-linux or riscv64-linux; programs for others are
    /// then only kept [default: what the entry is for]
    #[arg(long, value_name = "SYSTEM", value_parser = system)]
    pub(crate) system: Option<Machine>,

    /// Number of threads; it does not change the output [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Neither use compressed frames and fetched store paths of earlier builds from ~/.cache/packer, nor keep new ones there
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// What is left out or changed to save room.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Smaller {
    /// Leave out what running does not need: documentation, headers, static libraries, tests of interpreters,
    /// translations but English ones, debug files; docs/slim.md has the rules
    #[arg(long)]
    pub(crate) slim: bool,

    /// Languages whose translations stay, separated by commas, such as en,de or pt_BR; others are left out; all keeps
    /// all, none keeps none [default: all, with --slim en]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) locales: Vec<String>,

    /// Take debug information out of ELF programs and libraries that have it; symbols stay
    #[arg(long)]
    pub(crate) strip: bool,
}

/// Whose signatures of store paths count.
#[derive(Args, Debug, Default)]
pub(crate) struct Trust {
    /// A key whose signatures of store paths count, as nix.conf has it; may be repeated [default: those of nix.conf, or
    /// else that of cache.nixos.org; they always count]
    #[arg(long, value_name = "NAME:BASE64")]
    pub(crate) trusted_key: Vec<String>,
}

/// Options of `packer build`.
#[derive(Args, Debug)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) packed: Packed,

    /// Bundle to write [default: the name of the first entry, in the current directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Compression level of zstd, 1 to 22; above 19, the bundle needs more memory to unpack
    #[arg(long, value_name = "N", default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,

    /// Modes that the bundle may use, separated by commas: host, relocate, namespace, ram
    /// [default: all that work for this closure]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) mode: Vec<String>,

    /// Treat the files that match as right after relocation, whatever packer finds in them; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) relocate: Vec<String>,

    /// Treat the files that match as wrong after relocation: the closure is then not relocated; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) no_relocate: Vec<String>,

    /// The program's argv[0]: what the caller gave, the entry's path, or this text [default: a path in the
    /// entry's directory that ends in the caller's name, if such a program is there, or in the entry's]
    #[arg(long, value_name = "caller|entry|NAME")]
    pub(crate) argv0: Option<OsString>,

    /// Leave out signatures and derivers, which only Nix's database has: the same bytes as from a build in Nix
    #[arg(long)]
    pub(crate) no_path_info: bool,

    /// Give the program the directories BUNDLE.home and BUNDLE.config beside the bundle, those that exist at the start, as
    /// HOME and XDG_CONFIG_HOME
    #[arg(long)]
    pub(crate) portable: bool,

    /// Put a bill of materials into the bundle, in the form CycloneDX; PACKED=sbom and packer sbom print it
    #[arg(long)]
    pub(crate) sbom: bool,

    /// What the bill of materials says of licenses, homepages, CPEs and purls: a JSON file, see docs/sbom.md
    #[arg(long, value_name = "FILE", requires = "sbom")]
    pub(crate) meta: Option<PathBuf>,

    /// The bundle's version, by which packer update tells newer ones [default: the version in the name of the first
    /// entry's store path]
    #[arg(long, value_name = "VERSION")]
    pub(crate) release: Option<String>,

    /// Where packer update finds newer versions of the bundle
    #[arg(long, value_name = "URL")]
    pub(crate) update_url: Option<String>,

    /// The public key of minisign's that newer versions must be signed by: its 56 characters, or a file
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) update_key: Option<PathBuf>,

    /// Stub to use instead of the one inside packer
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Build {
    /// What to ask Nix's database for.
    pub(crate) fn ask(&self) -> Ask {
        if self.no_path_info { Ask::Paths } else { Ask::PathInfo }
    }

    /// The value of `--argv0`.
    pub(crate) fn argv0(&self) -> Argv0 {
        match self.argv0.as_deref().map(OsStrExt::as_bytes) {
            None => Argv0::Beside,
            Some(b"caller") => Argv0::Caller,
            Some(b"entry") => Argv0::Entry,
            Some(name) => Argv0::Name(name.into()),
        }
    }
}

/// Options of `packer image`.
#[derive(Args, Debug)]
#[command(mut_arg("closure", |arg| arg.required_unless_present_any(["closure_graph", "bundle"])))]
pub(crate) struct Image {
    /// A bundle whose closure, entries and environment rules the image gets
    #[arg(conflicts_with_all = ["closure", "closure_graph", "entry", "env", "exclude", "slim", "locales", "strip", "graphics", "store_root", "from"])]
    pub(crate) bundle: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) packed: Packed,

    /// Image layout to write: a tar file if the name ends in .tar, else a directory
    #[arg(short, long, value_name = "PATH", required_unless_present = "push")]
    pub(crate) output: Option<PathBuf>,

    /// Send the image to a registry, as packer push does; without -o, no layout is left
    #[arg(long, value_name = "REGISTRY/NAME:TAG")]
    pub(crate) push: Option<String>,

    #[command(flatten)]
    pub(crate) transport: Plain,

    /// Name and tag in the layout [default: the name of the first entry, with the tag latest]
    #[arg(long, value_name = "NAME:TAG")]
    pub(crate) name: Option<String>,

    /// The largest number of layers, 3 to 127
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u8).range(3..=127))]
    pub(crate) max_layers: u8,

    /// How layers are compressed
    #[arg(long, value_name = "gzip|zstd|none", default_value = "gzip")]
    pub(crate) compression: String,

    /// Compression level: 1 to 9 for gzip, 1 to 22 for zstd [default: 6, or 19]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: Option<i32>,

    /// Number of the user who runs the program, and of the group
    #[arg(long, value_name = "UID[:GID]", default_value = "1000:1000", value_parser = user)]
    pub(crate) user: String,

    /// The program's working directory; everybody may write to it
    #[arg(long, value_name = "DIR", default_value = "/work", value_parser = directory)]
    pub(crate) workdir: String,

    /// Only the store: an image to be mounted at /nix/store
    #[arg(long)]
    pub(crate) store_only: bool,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Image {
    /// The value of `--compression`, with that of `--level`.
    ///
    /// # Errors
    ///
    /// If there is no such compression or level.
    pub(crate) fn compression(&self) -> Result<Compression> {
        match (self.compression.as_str(), self.level) {
            ("gzip", None) => Ok(Compression::Gzip(6)),
            ("gzip", Some(level @ 1..=9)) => Ok(Compression::Gzip(level.unsigned_abs())),
            ("zstd", level) => Ok(Compression::Zstd(level.unwrap_or(19))),
            ("none", None) => Ok(Compression::None),
            (name, level) => {
                let level = level.map(|level| format!(" at level {level}")).unwrap_or_default();
                Err(Error::Compression { name: format!("{name}{level}") })
            }
        }
    }
}

/// Checks the value of `--user`.
fn user(text: &str) -> std::result::Result<String, &'static str> {
    // Engines read no sign.
    let is_number = |part: &str| part.parse::<u32>().is_ok() && !part.starts_with('+');
    let mut parts = text.split(':');
    match (parts.next().is_some_and(is_number), parts.next().is_none_or(is_number), parts.next()) {
        (true, true, None) => Ok(text.to_owned()),
        _ => Err("it is a number, or two with a colon between them"),
    }
}

/// Checks the value of `--workdir`.
fn directory(text: &str) -> std::result::Result<String, &'static str> {
    // As a field of /etc/passwd, it ends at a colon or at the end of the line.
    let is_plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains([':', '\n']);
    match text.strip_prefix('/') {
        Some("") => Ok(text.to_owned()),
        Some(below)
            if below.split('/').all(is_plain) && !below.starts_with("nix/") && below != "nix" =>
        {
            Ok(text.to_owned())
        }
        _ => Err("it is an absolute path outside of /nix, without colons"),
    }
}

/// Options of `packer inspect`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("question"))]
pub(crate) struct Inspect {
    /// The bundle
    pub(crate) bundle: PathBuf,

    /// Say by which references a store path is in the closure; it is named by its path, the beginning of its hash, or
    /// its name with or without the version
    #[arg(long, value_name = "PATH|NAME", group = "question")]
    pub(crate) why: Option<String>,

    /// Show the references as a tree, with the size of each store path and of its closure
    #[arg(long, group = "question")]
    pub(crate) tree: bool,

    /// Show the N largest store paths, with what only they need, and the N largest files [default: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", group = "question")]
    pub(crate) largest: Option<NonZeroUsize>,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `packer verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The bundle
    pub(crate) bundle: PathBuf,

    #[command(flatten)]
    pub(crate) trust: Trust,

    /// Fail unless each store path is signed by a trusted key, or its name follows from its content
    #[arg(long)]
    pub(crate) require_signatures: bool,

    /// Check BUNDLE.minisig first, with this public key of minisign's: its 56 characters, or a file
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) public_key: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
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

/// Options of `packer find`.
#[derive(Args, Debug)]
pub(crate) struct Find {
    /// The name of a package, with or without its version, such as hello or hello-2.12
    pub(crate) name: String,

    /// The list: a file or a URL with one store path a line, such as a channel's store-paths.xz
    #[arg(long, value_name = "LIST")]
    pub(crate) paths: String,

    /// Seconds without data after which the server of the list is not waited for
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,

    /// Print names, versions and outputs as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `packer push`.
#[derive(Args, Debug)]
pub(crate) struct Push {
    /// What to send: an OCI image layout, as a directory or a tar archive; or a bundle, if TO begins with oci://
    #[arg(value_name = "LAYOUT|BUNDLE")]
    pub(crate) source: PathBuf,

    /// Where to: REGISTRY/NAME:TAG for an image, oci://REGISTRY/NAME:TAG for a bundle
    #[arg(value_name = "TO")]
    pub(crate) target: String,

    /// A repository of the same registry that may have some of the layers: they are not sent then
    #[arg(long, value_name = "NAME")]
    pub(crate) mount_from: Option<String>,

    #[command(flatten)]
    pub(crate) transport: Plain,
}

/// Options of `packer pull`.
#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// The bundle: oci://REGISTRY/NAME:TAG or oci://REGISTRY/NAME@sha256:DIGEST
    #[arg(value_name = "FROM")]
    pub(crate) source: String,

    /// File to write [default: the last part of NAME, in the current directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) transport: Plain,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Plain {
    /// Speak with the server without TLS: everybody in between reads passwords, and can change what is sent
    #[arg(long)]
    pub(crate) plain_http: bool,
}

impl Plain {
    pub(crate) fn transport(self) -> Transport {
        if self.plain_http { Transport::Plain } else { Transport::Tls }
    }
}

/// Options of `packer sbom`.
#[derive(Args, Debug)]
#[command(mut_arg("closure", |arg| arg.required_unless_present_any(["closure_graph", "bundle"])))]
pub(crate) struct Sbom {
    /// The bundle
    #[arg(conflicts_with_all = ["closure", "closure_graph", "entry", "env", "exclude", "slim", "locales", "strip", "store_root", "secret", "system", "from"])]
    pub(crate) bundle: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) packed: Packed,

    /// The form of the document
    #[arg(long, value_enum, default_value_t = Form::Cyclonedx)]
    pub(crate) format: Form,

    /// What it says of licenses, homepages, CPEs and purls: a JSON file, see docs/sbom.md [default: what a bundle's own
    /// bill of materials says]
    #[arg(long, value_name = "FILE")]
    pub(crate) meta: Option<PathBuf>,

    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Options of `packer keygen`.
#[derive(Args, Debug)]
pub(crate) struct Keygen {
    /// File to write the secret key to; nobody else can read it
    #[arg(long, value_name = "FILE", default_value = "packer.key")]
    pub(crate) key: PathBuf,

    /// File to write the public key to [default: the secret key's name with the ending .pub]
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,

    /// Keep the secret key without a password: who can read the file can sign
    #[arg(short = 'W', long)]
    pub(crate) no_password: bool,
}

/// Options of `packer delta`.
#[derive(Args, Debug)]
pub(crate) struct Delta {
    /// The bundle that is there
    pub(crate) old: PathBuf,

    /// The bundle that is to be made of it
    pub(crate) new: PathBuf,

    /// Delta to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Bring changed frames whole: a larger delta, which any packer applies in the time of copying
    #[arg(long)]
    pub(crate) fast: bool,

    /// Number of threads; it does not change the output [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Options of `packer apply`.
#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// The bundle from which the delta was made; it may run
    pub(crate) old: PathBuf,

    /// A file that packer delta wrote
    pub(crate) delta: PathBuf,

    /// Bundle to write; it may be OLD, which is then replaced at the end
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Number of threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Options of `packer diff`.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The old bundle
    pub(crate) old: PathBuf,

    /// The new bundle
    pub(crate) new: PathBuf,

    /// Print the differences as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `packer sign`.
#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// The bundle
    pub(crate) bundle: PathBuf,

    /// The secret key, of packer keygen or minisign -G; a password is read from PACKER_KEY_PASSWORD, the terminal or
    /// standard input
    #[arg(long, value_name = "FILE", default_value = "packer.key")]
    pub(crate) key: PathBuf,
}

/// Options of `packer unit`.
#[derive(Args, Debug)]
pub(crate) struct Unit {
    /// The bundle, at the path where it will be
    pub(crate) bundle: PathBuf,

    /// For the user's own services instead of the system's
    #[arg(long)]
    pub(crate) user: bool,
}

/// Options of `packer update`.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// The bundle; if it is a link, the file that it leads to is replaced
    pub(crate) bundle: PathBuf,

    /// Where the newer one is: an https, http or file URL [default: the URL that packer build --update-url put into the
    /// bundle]
    pub(crate) url: Option<String>,

    /// Take only what this public key of minisign's has signed: its 56 characters, or a file; the signature is at the URL
    /// with the ending .minisig [default: the key that packer build --update-key put into the bundle]
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) public_key: Option<PathBuf>,

    /// Say whether there is a newer one and what it takes to fetch it; nothing is written
    #[arg(long)]
    pub(crate) check: bool,

    /// Keep the old bundle as BUNDLE.old
    #[arg(long)]
    pub(crate) keep_old: bool,

    /// Take also a bundle that is older, or another build of the same version
    #[arg(long)]
    pub(crate) allow_older: bool,

    #[command(flatten)]
    pub(crate) transport: Plain,

    /// Seconds without data after which the server is not waited for
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
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

/// Options of `packer desktop`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("action").required(true))]
pub(crate) struct Desktop {
    /// The bundle; to remove the entries of one that is gone, the path that --list prints
    #[arg(required_unless_present = "list")]
    pub(crate) bundle: Option<PathBuf>,

    /// Install its desktop entries, icons, MIME types and AppStream data in $XDG_DATA_HOME, or replace them
    #[arg(long, group = "action")]
    pub(crate) install: bool,

    /// Remove what was installed
    #[arg(long, group = "action")]
    pub(crate) remove: bool,

    /// List the bundles whose entries are installed, and say whether they are still there
    #[arg(long, group = "action")]
    pub(crate) list: bool,
}

/// Commands of `packer cache`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Cache {
    /// Unpack a bundle to a cache for all users, who name it in PACKED_SHARED or /etc/packed/shared
    Add(Add),
    /// List the bundles in the cache
    List {
        #[command(flatten)]
        at: At,
    },
    /// Remove bundles that were not started for some days; from a shared cache, those that were added before them
    Gc {
        /// Number of days to keep a bundle after its last start
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        at: At,
    },
    /// Remove all bundles that are not running
    Clear {
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        at: At,
    },
}

/// Options of `packer cache add`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Add {
    /// The bundle
    pub(crate) bundle: PathBuf,

    /// The shared cache, under the path that users will see: relocated files name it
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,

    /// Modes for which the bundle is unpacked, separated by commas: relocate, namespace [default: those that the
    /// bundle allows]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) mode: Vec<String>,
}

/// Another cache than the user's.
#[derive(Args, Clone, Debug)]
pub(crate) struct At {
    /// The cache, for example a shared one [default: each of this user's]
    #[arg(long, value_name = "DIR")]
    pub(crate) at: Option<PathBuf>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Force {
    /// Also remove bundles that a process may use whose files cannot be seen
    #[arg(long)]
    pub(crate) force: bool,
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
