//! Every error of the packer, with its message.
//!
//! A message has two lines: what failed, with the name of the object; then `hint:` and what to do now.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use format::{Digest, Mode};
use runtime::error::{Escaped, Unusable};
use rustix::io::Errno;

use crate::elf::Machine;
use crate::show;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Too many symbolic links (ELOOP); std has no stable name for it.
const LOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();

/// A cause of failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: String, source: io::Error },
    /// `packer verify` writes the tar stream to a temporary file, because it can be larger than memory.
    #[error("cannot write to a temporary file in {directory}: {source}")]
    Temporary { directory: String, source: io::Error },
    #[error("cannot start a thread: {source}")]
    Thread { source: io::Error },
    #[error("cannot write to standard output: {source}")]
    Stdout { source: io::Error },

    #[error("there is no Nix store at {dir}")]
    NoStore { dir: String },
    #[error("{path} is not a store path, and not a link to one")]
    NotStorePath { path: String },
    #[error("{path} does not exist")]
    NoStorePath { path: String },
    #[error("Nix does not know {path} as a valid store path")]
    NotValid { path: String },
    #[error("{path} is not a closure graph: {reason}")]
    NoGraph { path: String, reason: &'static str },
    #[error("{graph} does not say which store paths are the roots of the closure")]
    NoRoot { graph: String },
    #[error("{path} is not in {graph}")]
    NotInGraph { path: String, graph: String },
    #[error("cannot build {installable}: Nix is not installed")]
    NoNix { installable: String },
    #[error("Nix could not build {installable}")]
    NotBuilt { installable: String },
    #[error("cannot run {program}: {source}")]
    NixStart { program: &'static str, source: io::Error },
    #[error("{program} failed: {message}")]
    Nix { program: &'static str, message: String },

    #[error("packer has no command {name}")]
    NoCommand { name: String },
    #[error("{message}")]
    Usage { message: String, tip: Option<String> },
    /// The arguments have the form of nix-bundle's command line.
    #[error("write --closure in front of {target}")]
    Positional { target: String, command: String },

    #[error("{path} is neither a file nor a directory nor a symbolic link")]
    FileKind { path: String },
    #[error("{path} is nested too deep: the format allows {} directories", format::limits::DEPTH)]
    TooDeep { path: String },
    #[error("{path} changed while packer read it")]
    Changed { path: String },
    #[error("too many {what}: the format allows {limit}")]
    TooMany { what: &'static str, limit: u64 },
    #[error("cannot read the secret {path}: {source}")]
    Secret { path: String, source: io::Error },
    #[error("the secret {path} is too short to be looked for: {len} bytes of {shortest} at least")]
    ShortSecret { path: String, len: usize, shortest: usize },
    #[error("the content of the secret {secret} is in {path}")]
    SecretFound { secret: String, path: String },
    #[error("the pattern {pattern} is not valid: {}", source.kind())]
    Pattern { pattern: String, source: globset::Error },
    #[error("{name} is not the name of a language")]
    Language { name: String },
    #[error("the rules of --slim have a line that packer does not know: {line}")]
    SlimRule { line: String },

    #[error("the closure has no program {entry}")]
    NoEntry { entry: String, programs: String },
    #[error("there is no program in bin/ of {roots}")]
    NoProgram { roots: String },
    #[error("there are several programs and no --entry")]
    SeveralPrograms { programs: String },
    #[error("{url} is no place for updates")]
    NoUpdateUrl { url: String },
    #[error("{text}… is no version and no URL of a bundle")]
    OddRelease { text: String },
    #[error("two entries have the name {name}")]
    SameName { name: String },
    #[error("the entry {entry} contains '..'")]
    EntryParent { entry: String },
    #[error("{path} is not in the closure")]
    NoSuchFile { path: String },
    #[error("{path} leads into a loop of symbolic links")]
    LinkLoop { path: String },
    #[error("{path} leads to {target}, which is not in the closure")]
    OutsideClosure { path: String, target: String },
    #[error("{path} is not an executable file")]
    NotExecutable { path: String },
    #[error("{path} is neither an ELF program nor a script")]
    NotProgram { path: String },
    #[error("{path} is for {found}, but the bundle is for {machine}")]
    OtherMachine { path: String, found: Machine, machine: Machine },
    /// The start would succeed, and fail later where one program runs the other.
    #[error("{path} is for {found}, but {other} is for {machine}")]
    MixedMachines { path: String, found: Machine, other: String, machine: Machine },
    #[error("packer has no stub for {machine}")]
    NoStubFor { machine: Machine },
    #[error("'{name}' is none of x86_64-linux, aarch64-linux and riscv64-linux")]
    UnknownSystem { name: String },

    #[error("'{rule}' is not a rule for an environment variable")]
    MalformedRule { rule: String },
    /// Its text has no more than the name: it may be a secret key.
    #[error("--trusted-key {name} is not a public key")]
    MalformedKey { name: String },
    #[error("{variable} names a proxy that packer cannot use")]
    Proxy { variable: String },
    #[error("the value in '{rule}' contains {path}, which is not a store path of the closure")]
    RuleOutside { rule: String, path: String },
    #[error("{path} has no graphics drivers")]
    NoDrivers { path: String },
    #[error("the graphics drivers {path} are not in the closure")]
    DriversOutside { path: String },
    #[error("'{name}' is not a mode")]
    UnknownMode { name: String },
    /// Some references cannot be rewritten: the relocated program would not find its files.
    #[error("the closure cannot be relocated: {obstacle}")]
    NotRelocatable { obstacle: String },

    #[error("there is no compression {name}")]
    Compression { name: String },
    #[error("{path} cannot be replaced: it is no image layout")]
    LayoutTaken { path: String },
    #[error("the value of {variable} has %BUNDLE% in it, and an image has no bundle")]
    NoBundleInImage { variable: String },
    #[error("{what} is not text in UTF-8: {text}")]
    NoText { what: &'static str, text: String },

    #[error("{stub} is not a stub: {reason}")]
    NoStub { stub: String, reason: &'static str },
    #[error("{path} cannot be replaced: it is not a file")]
    OutputTaken { path: String },
    #[error("zstd failed: {message}")]
    Zstd { message: &'static str },
    /// Nix scans the bundle for hashes. It would take the whole closure for a run-time dependency of the bundle.
    #[error("the bundle would contain a store hash of the closure as text")]
    HashInOutput,
    #[error("the closure exceeds a limit of the bundle format: {0}")]
    Format(#[from] format::Error),

    #[error("{path} is not a bundle")]
    NoBundle { path: String },
    #[error(
        "{path} has {found} bytes instead of {expected}: the payload is missing or was changed"
    )]
    OtherLength { path: String, found: u64, expected: u64 },
    #[error("{path} is damaged: {source}")]
    Damaged { path: String, source: format::Error },
    /// The digests match, but the parts disagree: the packer that wrote the bundle has a bug.
    #[error("{path} contradicts itself: {what}")]
    Contradiction { path: String, what: String },

    #[error("cannot use {path}: {reason}")]
    NoCache { path: String, reason: Unusable },
    /// Without this error, an administrator would fill a cache that no start uses.
    #[error("cannot share {path}: {reason}")]
    NoSharedCache { path: String, reason: Unusable },
    /// No start could name it.
    #[error(
        "cannot share {path}: its name has a colon or a line feed, which separate names in PACKED_SHARED"
    )]
    UnlistedPath { path: String },
    #[error("cannot add to {path}: {}", .error.what())]
    NotAdded { path: String, error: runtime::error::Error },
    #[error("{path} runs in modes that use no cache")]
    WithoutCache { path: String },
    #[error("{path} does not allow the mode {mode}")]
    OtherModes { path: String, mode: Mode },
    #[error("'{name}' is not a mode that uses a cache")]
    ModeWithoutCache { name: String },

    #[error("{text} is not the name of an image in a registry: {reason}")]
    NoReference { text: String, reason: &'static str },
    #[error("packer pulls bundles only, and {text} does not begin with oci://")]
    NoArtifact { text: String },
    #[error("{path} is not an OCI image layout: {reason}")]
    NoLayout { path: String, reason: String },
    #[error("{path} has several images")]
    SeveralImages { path: String, names: String },
    /// Without this error, the registry's would say only that a digest is wrong.
    #[error("{path} is damaged: a blob is not {digest}")]
    DamagedBlob { path: String, digest: String },
    #[error("the manifest has the type {media_type}, which packer does not know")]
    UnknownManifest { media_type: String },
    #[error("{path} is too large for a signature")]
    NoSignature { path: String },
    #[error("{reference} is not a bundle, but has the type {found}")]
    NotBundle { reference: String, found: String },
    #[error("cannot use the credentials in {file}: {reason}")]
    Credentials { file: String, reason: String },
    #[error("cannot read the certificates of authorities: {reason}")]
    Authorities { reason: String },
    #[error("cannot reach {registry}: {reason}")]
    Unreachable { registry: String, reason: String },
    #[error("{registry} answers without TLS")]
    WithoutTls { registry: String },
    /// Without this error, somebody in between could read passwords.
    #[error("the connection to {registry} is not safe: {reason}")]
    Tls { registry: String, reason: String },
    #[error("the connection to {registry} broke off {attempts} times: {reason}")]
    BrokenOff { registry: String, reason: String, attempts: u32 },
    #[error("{}{message}", match file {
        Some(file) => format!("{registry} does not accept the credentials in {file}"),
        None => format!("{registry} asks for a name and a password"),
    })]
    Unauthorized { registry: String, file: Option<String>, message: String },
    #[error("{reference}: the registry does not allow this{message}")]
    Forbidden { reference: String, message: String },
    #[error("{reference} is not in the registry{message}")]
    NotInRegistry { reference: String, message: String },
    #[error("{registry} has had too many requests{message}")]
    TooManyRequests { registry: String, message: String, seconds: Option<u64> },
    #[error("{registry} answers {status}{message}")]
    Answer { registry: String, status: String, message: String },
    /// Without this error, packer would write or run what nobody pushed.
    #[error("{registry} sends {what}")]
    Lie { registry: String, what: String },

    #[error("{cache} is not a binary cache: {reason}")]
    NoBinaryCache { cache: String, reason: String },
    #[error("{list} cannot be searched: {reason}")]
    NoList { list: String, reason: String },
    #[error("{list} has no {name}")]
    NotInList { list: String, name: String, similar: String },
    #[error("{path} is not a file of nix-store --export: {reason}")]
    NoExport { path: String, reason: String },
    #[error("binary cache {cache}: {reason}")]
    CacheTrouble { cache: String, reason: String },
    /// Without this error, packer would pack what nobody signed, or not all of it.
    #[error("binary cache {cache} is wrong about {path}: {reason}")]
    CacheLie { cache: String, path: String, reason: String },
    /// Without this error, whoever runs the cache or is on the way to it decides what is packed.
    #[error("{path} from {cache} is not signed by a trusted key, but by {signers}")]
    Untrusted { path: String, cache: String, signers: String },
    #[error("binary cache {cache} asks for a name and a password")]
    CacheAsks { cache: String },
    #[error("binary cache {cache} does not accept the name and the password that it is given")]
    CacheDenies { cache: String },
    #[error("the closure from {caches} has more than {} store paths", format::limits::STORE_PATHS)]
    EndlessClosure { caches: String },
    #[error("{path} is not in {caches}")]
    NotCached { path: String, caches: String },
    #[error("{path} refers to {reference}, which its narinfo in the binary cache does not list")]
    UnlistedReference { path: String, reference: String },
    #[error("what was fetched cannot be kept in {dir}: {reason}")]
    NotKept { dir: String, reason: String },
    #[error("{path} was changed in packer's cache since it was fetched")]
    KeptChanged { path: String },
    #[error("nobody vouches for {first}{} in {path}", match more {
        0 => String::new(),
        more => format!(" and {more} more store paths"),
    })]
    Unvouched { path: String, first: String, more: usize },
    #[error("{bundle} has no store path {wanted}")]
    NotInBundle { wanted: String, bundle: String, nearest: String },
    #[error("{file} does not say what packages are: {reason}")]
    MalformedMeta { file: String, reason: String },
    #[error("SOURCE_DATE_EPOCH={value} is not a time")]
    SourceDate { value: String },
    #[error("cannot make a key: {reason}")]
    KeyGeneration { reason: String },
    #[error("cannot get the {} MiB of memory that a password takes", bytes >> 20)]
    KeyMemory { bytes: usize },
    /// Without this error, signatures of the old key could never be made again.
    #[error("{path} exists already")]
    KeyTaken { path: String },
    #[error("{path} cannot be the secret key and the public one")]
    SameKeyFile { path: String },
    #[error("{path} is not a {kind} key of minisign's")]
    NoBundleKey { path: String, kind: &'static str },
    #[error("there is no password for {path}")]
    NoPassword { path: String },
    #[error("the passwords differ")]
    OtherPassword,
    #[error("the password for {path} is wrong")]
    WrongPassword { path: String },
    #[error("cannot sign {path}: {reason}")]
    NotSigned { path: String, reason: String },
    #[error("{path} is not a signature of minisign's: {reason}")]
    NoBundleSignature { path: String, reason: &'static str },
    #[error("{path} is by the key {found}, not by {expected}")]
    OtherKey { path: String, found: String, expected: String },
    /// The bundle, the signature or its comment was altered.
    #[error("{path} is not a signature of this bundle")]
    WrongSignature { path: String },

    #[error("{path} does not say where its updates are")]
    NoUpdates { path: String },
    #[error("{url} is not a URL that packer can read: {reason}")]
    UpdateUrl { url: String, reason: String },
    /// Without this error, whoever is on the way decides what is run.
    #[error("{url} has no TLS, and there is no key to check what comes from there")]
    UpdatePlain { url: String },
    #[error("cannot get {url}: {reason}")]
    UpdateTrouble { url: String, reason: String },
    #[error("there is nothing at {url}: the answer is {status}")]
    NotAtUrl { url: String, status: String },
    #[error("there is no signature at {url}")]
    UpdateUnsigned { url: String },
    #[error("{url} asks for a name and a password")]
    UpdateAsks { url: String },
    #[error("{url} does not accept the name and the password that it is given")]
    UpdateDenies { url: String },
    /// Without this error, packer would write what nobody published.
    #[error("{url} sends {what}")]
    UpdateLie { url: String, what: String },
    #[error("{url} changed again while packer read it")]
    UpdateChanged { url: String },
    /// Without this error, who runs a mirror could go back to a version with known vulnerabilities.
    #[error("{url} has version {found}, which is older than {installed}")]
    UpdateOlder { url: String, found: String, installed: String },
    #[error("{url} has another build of {version}, which may be an older one")]
    UpdateOtherBuild { url: String, version: String },
    #[error("{url} is for {found}, but the bundle is for {expected}")]
    UpdateMachine { url: String, found: Machine, expected: Machine },
    /// Without this error, who runs a mirror could send another program of the same publisher.
    #[error("{url} runs {found}, but the bundle runs {expected}")]
    UpdateProgram { url: String, found: String, expected: String },
    #[error("another packer update is at work on {path}")]
    UpdateRunning { path: String },
    #[error("cannot replace {path}: {source}")]
    NotReplaced { path: String, source: io::Error },
    /// Without this error, packer could write into a directory that somebody put in the place of the bundle's.
    #[error("{path} is another file than the one that packer opened")]
    UpdateMoved { path: String },
    #[error("cannot keep the old bundle as {path}: {source}")]
    OldNotKept { path: String, source: io::Error },
    /// Without this error, the output would take the place of what it is made of.
    #[error("{path} is to be read and written at once")]
    OutputIsInput { path: String },
    #[error("{path} is not a delta")]
    NoDelta { path: String },
    #[error("{path} has {found} bytes instead of {expected}: it is not whole")]
    DeltaLength { path: String, found: u64, expected: u64 },
    /// Without this error, the message would say only that some digest is wrong.
    #[error("{bundle} is the bundle {found}, but {delta} is for {expected}")]
    OtherBundle { bundle: String, found: Digest, delta: String, expected: Digest },
    #[error("{bundle} is the bundle {id}, which {delta} makes: it has been applied")]
    UpToDate { bundle: String, delta: String, id: Digest },
    /// Another version of zstd compresses to other bytes: the new bundle would not be what was signed.
    #[error("{delta} needs zstd {needed}, and this packer has {found}")]
    OtherZstd { delta: String, needed: String, found: String },

    #[error("{}", .0.what())]
    Runtime(runtime::error::Error),
}

impl Error {
    /// Makes the error of a failed operation on a file.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { action, path: show::path(path), source }
    }

    /// Makes the error of a failed operation on a file of the store.
    pub(crate) fn in_store(action: &'static str, location: &[u8], source: io::Error) -> Error {
        Error::Io { action, path: format!("{}/{}", format::STORE_DIR, Escaped(location)), source }
    }

    /// Makes the error of a secret in a file of the store.
    pub(crate) fn secret_found(secret: &str, location: &[u8]) -> Error {
        let path = format!("{}/{}", format::STORE_DIR, Escaped(location));
        Error::SecretFound { secret: secret.to_owned(), path }
    }

    /// Returns the text after `hint:`, which says what to do now.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Error::Io { source, .. } if source.raw_os_error() == Some(LOOP) => {
                "repair the symbolic links of this path: they form a loop"
            }
            Error::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::PermissionDenied => "check its permissions (ls -ld)",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room on that disk, or choose another output file with -o"
                }
                io::ErrorKind::FileTooLarge => {
                    "raise the limit on the size of files: ulimit -f unlimited"
                }
                io::ErrorKind::ReadOnlyFilesystem => "choose another output file with -o",
                _ => "check the file and the disk it is on",
            },
            Error::Temporary { .. } => {
                "set TMPDIR to a directory that you may write to, with more room"
            }
            Error::Thread { .. } => "raise the limit on processes (ulimit -u)",
            Error::Stdout { .. } => "check where standard output goes",
            Error::NoStore { .. } => {
                "install Nix, or set --store-root to the directory that contains nix/store"
            }
            Error::NotStorePath { .. } => {
                "give --closure a path such as /nix/store/<hash>-<name>, the link ./result that nix-build makes, or an installable such as .#hello"
            }
            Error::NoStorePath { .. } => "build it again: Nix may have garbage-collected it",
            Error::NotValid { .. } => {
                "build it again, or use --store-root / to scan the files instead of asking Nix"
            }
            Error::NoGraph { .. } => {
                "give --closure-graph the file .attrs.json, a file that exportReferencesGraph writes, or closureInfo's registration or store-paths"
            }
            Error::NoRoot { .. } => "name the roots with --closure",
            Error::NotInGraph { .. } => {
                "give --closure-graph the whole closure, for example a file that closureInfo writes"
            }
            Error::NoNix { .. } => {
                "install Nix, or give --closure a store path that is on this machine"
            }
            Error::NotBuilt { .. } => "Nix says why in the lines above",
            Error::NixStart { .. } | Error::Nix { .. } => {
                "repair Nix, or use --store-root / to scan the files instead of asking Nix"
            }
            Error::NoCommand { .. } => "packer --help lists the commands",
            Error::Usage { tip: Some(tip), .. } => return tip.clone(),
            Error::Usage { tip: None, .. } => {
                "packer --help lists the commands, packer build --help the options"
            }
            Error::Positional { command, .. } => return command.clone(),
            Error::FileKind { .. } => "leave it out with --exclude",
            Error::TooDeep { .. } | Error::TooMany { .. } => "leave something out with --exclude",
            Error::Changed { .. } => "pack again when no other program writes to the store",
            Error::Secret { .. } => {
                "check the path; in a build of Nix's, name it in sandbox-paths, and let the builder's user read it"
            }
            Error::ShortSecret { .. } => {
                "leave it out of --secret: its bytes can be anywhere by chance"
            }
            Error::SecretFound { .. } => {
                "have the program read a file that is not packed; who has the bundle has all that is in it"
            }
            Error::Pattern { .. } => {
                "write a glob such as 'share/man/**'; '[', '{' and '\\' are special characters"
            }
            Error::Language { .. } => {
                "--locales takes names as in share/locale, such as en, de or pt_BR; all keeps all, none keeps none"
            }
            Error::SlimRule { .. } => "this is a bug in packer: please report it",
            Error::NoEntry { programs, .. } if programs.is_empty() => {
                "--entry takes a path below the store path, such as /bin/markov"
            }
            Error::NoEntry { programs, .. } => return format!("the programs are {programs}"),
            Error::NoProgram { .. } => "name the program with --entry",
            Error::SeveralPrograms { programs } => {
                return format!("choose with --entry (repeat it for more): {programs}");
            }
            Error::SameName { .. } => {
                "give one only: the bundle chooses its entry by the name that it is called with"
            }
            Error::EntryParent { .. } => "write the path without '..'",
            Error::NoSuchFile { .. } | Error::OutsideClosure { .. } => {
                "add the store path that has this file with another --closure"
            }
            Error::LinkLoop { .. } => "repair these links, or choose another --entry",
            Error::NotExecutable { .. } | Error::NotProgram { .. } => "choose another --entry",
            Error::OtherMachine { .. } => {
                "leave out --stub and --system: the entry decides for which processor type the bundle is"
            }
            Error::MixedMachines { machine, .. } => {
                let text = "pack a closure for each processor type";
                return match machine.system() {
                    Some(system) => {
                        format!(
                            "{text}; if the first is not run, only kept, give --system {system}"
                        )
                    }
                    None => text.to_owned(),
                };
            }
            Error::NoStubFor { .. } => {
                "packer --version lists its stubs; give --stub one for this processor type, or build packer where its Rust target and a C compiler are installed"
            }
            Error::UnknownSystem { .. } => "leave it out: the entry says what the closure is for",
            Error::SameKeyFile { .. } => "give --key and --public-key two names",
            Error::Proxy { .. } => {
                "a proxy is http://HOST:PORT; packer does not know SOCKS. Unset the variable for a direct connection"
            }
            Error::MalformedKey { .. } => {
                "write NAME:BASE64, as nix-store --generate-binary-cache-key and nix.conf have it"
            }
            Error::NoUpdateUrl { .. } => {
                "give --update-url a URL that begins with https:// or http://"
            }
            Error::OddRelease { .. } => {
                "give --release and --update-url one line of 2000 bytes at most, without control characters"
            }
            Error::MalformedRule { .. } => {
                "write K=V to set a variable, K?=V to set it only if it is unset, K- to remove it, or K to keep the caller's value against a default rule"
            }
            Error::RuleOutside { .. } => {
                "write the full path of a store path in the closure, or add this one with --closure"
            }
            Error::NoDrivers { .. } => {
                "give --graphics what NixOS has at /run/opengl-driver, with lib/dri or share/vulkan/icd.d in it; for several packages, a buildEnv of them"
            }
            Error::DriversOutside { .. } => {
                "leave the store path out of --exclude; with --closure-graph, add it to the graph"
            }
            Error::UnknownMode { .. } => "the modes are host, relocate, namespace and ram",
            Error::NotRelocatable { .. } => {
                "leave relocate out of --mode, or the file out with --exclude; --relocate vouches for a file"
            }
            Error::Compression { .. } => {
                "it is gzip with a level of 1 to 9, zstd with 1 to 22, or none"
            }
            Error::LayoutTaken { .. } => {
                "choose another name with -o: an image replaces a layout or an empty directory only"
            }
            Error::NoBundleInImage { .. } => "set the variable to another value with --env",
            Error::NoText { .. } => {
                "the documents of an image are JSON: choose another name or value"
            }
            Error::NoStub { .. } => "give --stub a stub that was built for packer",
            Error::OutputTaken { .. } => "choose another name with -o",
            Error::Zstd { .. } => "try a lower --level",
            Error::HashInOutput => {
                "this is a bug in packer: please report it with a list of the closure's files"
            }
            Error::Format(_) => {
                "give fewer --entry, --env and --closure options (one store path can refer to all the others), or leave files out with --exclude"
            }
            Error::NoBundle { .. } => "give a file that packer build wrote",
            Error::OtherLength { .. } => {
                "was this file stripped, or only partly copied? copy it again, and set dontStrip in Nix"
            }
            Error::Damaged {
                source: format::Error::Version { .. } | format::Error::DeltaVersion { .. },
                ..
            } => "use the version of packer that wrote it",
            Error::Damaged { .. } => "copy it again, or pack it again",
            Error::Contradiction { .. } => {
                "this is a bug in the packer that wrote it: please report it, and pack again"
            }
            Error::NoCache { .. } => {
                "give --at a cache: a directory to which bundles were unpacked"
            }
            Error::NoSharedCache { reason: Unusable::Unfit(_), .. } => {
                "give --to a short path of letters and digits, such as /opt/packed; or --mode namespace"
            }
            Error::NoSharedCache { .. } => {
                "give --to a directory of yours that nobody else may write to or replace, on a disk that allows executing"
            }
            Error::UnlistedPath { .. } => "give --to another directory",
            Error::NotAdded { .. } => {
                "give --to a directory with room, that is yours and holds nothing but a shared cache"
            }
            Error::WithoutCache { .. } => "pack it with --mode relocate,namespace",
            Error::OtherModes { .. } => {
                "leave --mode out: it is added for all modes that it allows"
            }
            Error::ModeWithoutCache { .. } => {
                "the modes that use a cache are relocate and namespace"
            }
            Error::NoReference { .. } => {
                "write REGISTRY/NAME:TAG, such as registry.example.org/markov:1.0 or docker.io/me/markov:1.0"
            }
            Error::NoArtifact { .. } => {
                "put oci:// in front of a bundle's name; for an image, use podman pull or skopeo copy"
            }
            Error::NoLayout { .. } => {
                "give one as a directory or tar file, as podman save --format oci-archive writes; a bundle goes to oci://REGISTRY/NAME:TAG"
            }
            Error::SeveralImages { path, names } => {
                return format!(
                    "copy one of them: skopeo copy oci:{path}:NAME oci:DIRECTORY (names: {names})"
                );
            }
            Error::DamagedBlob { .. } => "write it again; nothing has been tagged",
            Error::UnknownManifest { .. } => "copy it in the OCI form: skopeo copy --format oci",
            Error::NoSignature { .. } => "put another file there, or none",
            Error::NotBundle { .. } => {
                "use podman pull or skopeo copy for an image; packer push BUNDLE oci://… makes what packer pulls"
            }
            Error::Credentials { file, .. } if file.ends_with("netrc") => {
                return format!(
                    "{file} needs lines such as: machine HOST login NAME password PASSWORD"
                );
            }
            Error::Credentials { file, .. } => {
                return format!("log in again with podman login or docker login, or repair {file}");
            }
            Error::Authorities { .. } => "check the file that SSL_CERT_FILE names",
            Error::Unreachable { .. } => "check the registry's name and port, and the network",
            Error::WithoutTls { .. } => {
                "check the port; if the network between is yours alone, use --plain-http"
            }
            // openssl's default for `req -x509`: the same certificate is the authority's and the server's.
            Error::Tls { reason, .. } if reason.contains("CaUsedAsEndEntity") => {
                "make its certificate again with basicConstraints=critical,CA:FALSE, or sign it with an authority of its own"
            }
            Error::Tls { .. } => {
                "if the server has an authority of its own, name its certificate: SSL_CERT_FILE=FILE"
            }
            Error::BrokenOff { .. } => "try again: blobs that have arrived are not sent again",
            Error::Unauthorized { registry, .. } => {
                return format!("log in with podman login {registry} or docker login {registry}");
            }
            Error::Forbidden { .. } => "ask the owner of this name, or log in as another user",
            Error::NotInRegistry { .. } => "check the name and the tag",
            Error::TooManyRequests { seconds: Some(seconds), .. } => {
                return format!("try again in {seconds} seconds");
            }
            Error::TooManyRequests { seconds: None, .. } => "try again in some minutes",
            Error::Answer { .. } => "try again later, or ask who runs the registry",
            Error::Lie { .. } => {
                "ask who runs the registry: it is broken, or somebody changed its data"
            }
            Error::NoBinaryCache { .. } => {
                "give --from the URL or the directory that has nix-cache-info in it"
            }
            Error::NoList { .. } => {
                "give --paths a file or a URL with one store path a line, such as a channel's store-paths.xz"
            }
            Error::NotInList { similar, .. } if similar.is_empty() => {
                "a name is as in the store path, with or without the version"
            }
            Error::NotInList { similar, .. } => return format!("similar names: {similar}"),
            Error::NoExport { .. } => {
                "give --from such a file, or the URL or the directory of a binary cache"
            }
            Error::CacheTrouble { .. } => {
                "check its URL and the network, or name another cache with --from; what has arrived is kept for the next run"
            }
            Error::CacheLie { .. } => {
                "name another cache with --from, and tell who runs this one: it is broken, or somebody changed it"
            }
            Error::Untrusted { .. } => {
                "if you trust who signed it, give the key with --trusted-key NAME:BASE64; --insecure-no-signatures takes what anybody made"
            }
            Error::CacheAsks { .. } | Error::CacheDenies { .. } => {
                "write them into ~/.netrc: machine HOST login NAME password PASSWORD"
            }
            Error::EndlessClosure { .. } => {
                "give --from a cache that you trust: this one names store paths without end"
            }
            Error::NotCached { .. } => {
                "check the store path, or name another cache with --from; packer asks them in order"
            }
            Error::UnlistedReference { .. } => {
                "name another cache with --from, and tell who built this store path: its closure is not whole"
            }
            Error::NotKept { .. } => {
                "make room there, or name another directory with XDG_CACHE_HOME, or with --no-cache and TMPDIR"
            }
            Error::KeptChanged { .. } => "pack again: it is fetched anew",
            Error::Unvouched { .. } => {
                "the report says why; --trusted-key trusts a signer, and packer build --exclude and --no-path-info lose signatures"
            }
            Error::NotInBundle { nearest, .. } => {
                return format!("the nearest name is {nearest}; packer inspect lists all");
            }
            Error::MalformedMeta { .. } => {
                "write a JSON object with store paths or names as keys; license, homepage, description, cpe and purl are known: see docs/sbom.md"
            }
            Error::SourceDate { .. } => "set it to seconds since 1970, or unset it",
            Error::KeyGeneration { .. } => "try again on another machine",
            Error::KeyMemory { .. } => {
                "raise the limit on memory (ulimit -v), or use a key without a password: packer keygen --no-password"
            }
            Error::KeyTaken { .. } => "choose another name with --key, or move the old key away",
            Error::NoBundleKey { kind, .. } => {
                return format!("give the {kind} key that packer keygen or minisign -G wrote");
            }
            Error::NoPassword { .. } => {
                "type it on a terminal, write it to standard input, or set PACKER_KEY_PASSWORD; a new key can do without: --no-password"
            }
            Error::OtherPassword => "type the same one twice",
            Error::WrongPassword { .. } => "try again, or use another key",
            Error::NotSigned { .. } => {
                "check the bundle and the key: one of them cannot be read or is damaged"
            }
            Error::NoBundleSignature { .. } => "sign the bundle again: packer sign, or minisign -S",
            Error::OtherKey { .. } => "give the public key of who signed it, if you trust them",
            Error::WrongSignature { .. } => {
                "do not run it: it is not what was signed; get bundle and signature again, from who signed them"
            }
            Error::NoUpdates { .. } => {
                "give a URL: packer update BUNDLE URL; packer build --update-url puts it into a bundle"
            }
            Error::UpdateUrl { .. } => "a URL begins with https://, http:// or file:///",
            Error::UpdatePlain { .. } => {
                "use https://, or give the publisher's key with --public-key; --plain-http takes what anybody on the way sends"
            }
            Error::UpdateTrouble { .. } => {
                "check the URL and the network, then try again: what has arrived is kept; the bundle is as it was"
            }
            Error::NotAtUrl { .. } => "check the URL",
            Error::UpdateUnsigned { .. } => {
                "who publishes the bundle has to put its signature there: packer sign makes it"
            }
            Error::UpdateAsks { .. } | Error::UpdateDenies { .. } => {
                "write them into ~/.netrc: machine HOST login NAME password PASSWORD"
            }
            Error::UpdateLie { .. } => {
                "tell who runs this server: it is broken, or somebody changed its data; the bundle is as it was"
            }
            Error::UpdateChanged { .. } => "try again in some minutes; the bundle is as it was",
            Error::UpdateOlder { .. } => {
                "ask who publishes it, or try another mirror; --allow-older takes it"
            }
            Error::UpdateOtherBuild { .. } => {
                "publish with a higher version: packer build --release; --allow-older takes it"
            }
            Error::UpdateMachine { .. } => "give the URL of the bundle for this processor type",
            Error::UpdateProgram { .. } => {
                "check the URL; if the program has a new name, download the new bundle and remove the old one"
            }
            Error::UpdateRunning { .. } => "wait until it has ended",
            Error::NotReplaced { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room on that disk, for the new bundle beside the old one; the bundle is as it was"
                }
                io::ErrorKind::FileTooLarge => {
                    "raise the limit on file sizes (ulimit -f); the bundle is as it was"
                }
                io::ErrorKind::ResourceBusy => {
                    "it is a mount of its own (a bind mount), which cannot be renamed: update the file that is mounted there; the bundle is as it was"
                }
                io::ErrorKind::IsADirectory => {
                    "a directory has the bundle's name by now: look at what was put there, then try again"
                }
                _ if source.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                    "is it immutable (lsattr), or somebody else's in a directory with the sticky bit? call packer update as its owner; the bundle is as it was"
                }
                _ => {
                    "its directory must be writable: call packer update as its owner, or with sudo; the bundle is as it was"
                }
            },
            Error::UpdateMoved { .. } => {
                "somebody else changes its directory: look at what is there, then try again"
            }
            Error::OldNotKept { .. } => {
                "remove what has that name, or leave out --keep-old; the bundle is as it was"
            }
            Error::OutputIsInput { .. } => "choose another name with -o",
            Error::NoDelta { .. } => "give a file that packer delta wrote",
            Error::DeltaLength { .. } => "copy or download the delta again",
            Error::OtherBundle { .. } => {
                "apply it to the bundle from which it was made, or get the whole new bundle"
            }
            Error::UpToDate { .. } => "nothing is to be done",
            Error::OtherZstd { .. } => {
                "use the packer that made it, or get the whole new bundle; packer delta --fast makes deltas for all"
            }
            Error::Runtime(error) => return error.hint().to_string(),
        };
        hint.to_owned()
    }

    /// Prints the message to stderr; returns the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        // If stderr is closed, the message cannot be shown; the exit status still tells of the error.
        let _ = writeln!(io::stderr(), "packer: {self}\nhint: {}", self.hint());
        match self {
            Error::Usage { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_two_lines() {
        for (error, expected) in [
            (
                Error::io("open", Path::new("a\nb"), io::ErrorKind::NotFound.into()),
                "cannot open a\\nb: entity not found\nhint: check the path",
            ),
            (
                Error::NoEntry { entry: "/bin/x".into(), programs: "/bin/a, /bin/b".into() },
                "the closure has no program /bin/x\nhint: the programs are /bin/a, /bin/b",
            ),
            (
                Error::OtherLength { path: "./markov".into(), found: 10, expected: 20 },
                "./markov has 10 bytes instead of 20: the payload is missing or was changed\n\
                 hint: was this file stripped, or only partly copied? copy it again, and set \
                 dontStrip in Nix",
            ),
        ] {
            assert_eq!(format!("{error}\nhint: {}", error.hint()), expected);
        }
    }
}
