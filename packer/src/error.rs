//! What can go wrong, and all that is said about it.
//!
//! A message has two lines: what failed, with the object in it; then `hint:` and what to do now.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use runtime::error::Escaped;

use crate::elf::Machine;
use crate::show;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Too many links: std has no stable name for it.
const LOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();

/// A cause of failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: String, source: io::Error },
    /// What is checked can be larger than memory.
    #[error("cannot write to a temporary file in {directory}: {source}")]
    Temporary { directory: String, source: io::Error },
    #[error("cannot start a thread: {source}")]
    Thread { source: io::Error },
    #[error("cannot write to standard output: {source}")]
    Stdout { source: io::Error },

    #[error("there is no store at {dir}")]
    NoStore { dir: String },
    #[error("{path} is not a store path and does not lead to one")]
    NotStorePath { path: String },
    #[error("{path} does not exist")]
    NoStorePath { path: String },
    #[error("Nix does not know {path} as a valid store path")]
    NotValid { path: String },
    #[error("{path} is not a closure graph: {reason}")]
    NoGraph { path: String, reason: &'static str },
    #[error("{graph} does not say which of its store paths was asked for")]
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
    /// nix-bundle's form.
    #[error("write --closure in front of {target}")]
    Positional { target: String, command: String },

    #[error("{path} is neither a file nor a directory nor a link")]
    FileKind { path: String },
    #[error("{path} lies too deep: {} directories", format::limits::DEPTH)]
    TooDeep { path: String },
    #[error("{path} changed while it was read")]
    Changed { path: String },
    #[error("too many {what}: the format allows {limit}")]
    TooMany { what: &'static str, limit: u64 },
    #[error("the pattern {pattern} is malformed: {}", source.kind())]
    Pattern { pattern: String, source: globset::Error },

    #[error("the closure has no program {entry}")]
    NoEntry { entry: String, programs: String },
    #[error("there is no program in bin/ of {roots}")]
    NoProgram { roots: String },
    #[error("there are several programs and no --entry")]
    SeveralPrograms { programs: String },
    #[error("two entries have the name {name}")]
    SameName { name: String },
    #[error("the entry {entry} holds '..'")]
    EntryParent { entry: String },
    #[error("{path} is not in the closure")]
    NoSuchFile { path: String },
    #[error("{path} is a link that leads around in a circle")]
    LinkLoop { path: String },
    #[error("{path} leads to {target}, which is not in the closure")]
    OutsideClosure { path: String, target: String },
    #[error("{path} is not an executable file")]
    NotExecutable { path: String },
    #[error("{path} is neither an ELF program nor a script")]
    NotProgram { path: String },
    #[error("{path} is for {found}, the stub is for {machine}")]
    OtherMachine { path: String, found: Machine, machine: Machine },

    #[error("'{rule}' is not a rule for a variable")]
    MalformedRule { rule: String },
    #[error("the value in '{rule}' names {path}, which is not a store path of the closure")]
    RuleOutside { rule: String, path: String },
    #[error("'{name}' is not a mode")]
    UnknownMode { name: String },
    /// If it were relocated, the program would look for files where there are none.
    #[error("the closure cannot be relocated: {obstacle}")]
    NotRelocatable { obstacle: String },

    #[error("{stub} is not a stub: {reason}")]
    NoStub { stub: String, reason: &'static str },
    #[error("{path} cannot be replaced: it is not a file")]
    OutputTaken { path: String },
    #[error("zstd failed: {message}")]
    Zstd { message: &'static str },
    /// If it were let pass, Nix would take the whole closure for a run-time reference of the bundle.
    #[error("a store hash of the closure would stand in the bundle as text")]
    HashInOutput,
    #[error("the closure does not fit into the format: {0}")]
    Format(#[from] format::Error),

    #[error("{path} is not a bundle")]
    NoBundle { path: String },
    #[error(
        "{path} has {found} bytes instead of {expected}: the payload is missing or was changed"
    )]
    OtherLength { path: String, found: u64, expected: u64 },
    #[error("{path} is damaged: {source}")]
    Damaged { path: String, source: format::Error },
    /// The digests are right, so it was packed wrongly.
    #[error("{path} contradicts itself: {what}")]
    Contradiction { path: String, what: String },
    #[error("{}", .0.what())]
    Runtime(runtime::error::Error),
}

impl Error {
    /// A failed call on a file.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { action, path: show::path(path), source }
    }

    /// A failed call on a file of the store.
    pub(crate) fn in_store(action: &'static str, location: &[u8], source: io::Error) -> Error {
        Error::Io { action, path: format!("{}/{}", format::STORE_DIR, Escaped(location)), source }
    }

    /// What to do now.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Error::Io { source, .. } if source.raw_os_error() == Some(LOOP) => {
                "its links lead around in a circle"
            }
            Error::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::PermissionDenied => "check who may access it (ls -ld)",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room on that disk, or write elsewhere with -o"
                }
                io::ErrorKind::FileTooLarge => {
                    "raise the limit of a file's size: ulimit -f unlimited"
                }
                io::ErrorKind::ReadOnlyFilesystem => "write elsewhere with -o",
                _ => "check the file and the disk it is on",
            },
            Error::Temporary { .. } => "name a directory with more room in TMPDIR",
            Error::Thread { .. } => "raise the limit of processes: ulimit -u",
            Error::Stdout { .. } => "check where standard output goes",
            Error::NoStore { .. } => {
                "install Nix, or name the directory that holds nix/store with --store-root"
            }
            Error::NotStorePath { .. } => {
                "give --closure a path such as /nix/store/<hash>-<name>, the link ./result that nix-build makes, or what nix build takes, such as .#hello"
            }
            Error::NoStorePath { .. } => "build it again: it may have been collected as garbage",
            Error::NotValid { .. } => {
                "build it again, or scan the files instead of asking Nix with --store-root /"
            }
            Error::NoGraph { .. } => {
                "give .attrs.json or the file of exportReferencesGraph, or closureInfo's registration or store-paths"
            }
            Error::NoRoot { .. } => "name it with --closure",
            Error::NotInGraph { .. } => {
                "give a graph of the whole closure, such as closureInfo makes"
            }
            Error::NoNix { .. } => {
                "install Nix, or give --closure a store path that is on this machine"
            }
            Error::NotBuilt { .. } => "Nix says why in the lines above",
            Error::NixStart { .. } | Error::Nix { .. } => {
                "repair Nix, or scan the files instead of asking Nix with --store-root /"
            }
            Error::NoCommand { .. } => "packer --help lists the commands",
            Error::Usage { tip: Some(tip), .. } => return tip.clone(),
            Error::Usage { tip: None, .. } => {
                "packer --help and packer build --help say what there is"
            }
            Error::Positional { command, .. } => return command.clone(),
            Error::FileKind { .. } => "leave it out with --exclude",
            Error::TooDeep { .. } | Error::TooMany { .. } => "leave something out with --exclude",
            Error::Changed { .. } => "pack again when nothing writes to the store",
            Error::Pattern { .. } => {
                "write a glob such as 'share/man/**'; '[', '{' and '\\' are special"
            }
            Error::NoEntry { programs, .. } if programs.is_empty() => {
                "--entry takes a path below the store path, such as /bin/markov"
            }
            Error::NoEntry { programs, .. } => return format!("there are {programs}"),
            Error::NoProgram { .. } => "name the program with --entry",
            Error::SeveralPrograms { programs } => {
                return format!("choose with --entry (repeat it for more): {programs}");
            }
            Error::SameName { .. } => {
                "give one only: the name by which the bundle is called chooses"
            }
            Error::EntryParent { .. } => "write the path without '..'",
            Error::NoSuchFile { .. } | Error::OutsideClosure { .. } => {
                "pack what it belongs to as well, with another --closure"
            }
            Error::LinkLoop { .. } => "repair the package, or choose another --entry",
            Error::NotExecutable { .. } | Error::NotProgram { .. } => "choose another --entry",
            Error::OtherMachine { .. } => "give a stub for that machine with --stub",
            Error::MalformedRule { .. } => {
                "write K=V to set a variable, K?=V to set it unless it is set, K- to remove it, K to keep one that has a default"
            }
            Error::RuleOutside { .. } => {
                "write a whole store path of the closure, or add it with --closure"
            }
            Error::UnknownMode { .. } => "the modes are host, relocate, namespace and ram",
            Error::NotRelocatable { .. } => {
                "leave relocate out of --mode, or the file out with --exclude; --relocate vouches for a file"
            }
            Error::NoStub { .. } => "give a stub that was built for packer with --stub",
            Error::OutputTaken { .. } => "choose another name with -o",
            Error::Zstd { .. } => "try a lower --level",
            Error::HashInOutput => {
                "this is a fault of packer's: please report it with the closure's file list"
            }
            Error::Format(_) => {
                "give fewer entries, rules and closures (one can refer to all others), or leave files out with --exclude"
            }
            Error::NoBundle { .. } => "give a file that packer build wrote",
            Error::OtherLength { .. } => {
                "was this file stripped, or only partly copied? copy it again, and set dontStrip in Nix"
            }
            Error::Damaged { source: format::Error::Version { .. }, .. } => {
                "use the version of packer that wrote it"
            }
            Error::Damaged { .. } => "copy it again, or pack it again",
            Error::Contradiction { .. } => {
                "this is a fault of the packer that wrote it: please report it, and pack again"
            }
            Error::Runtime(error) => return error.hint().to_string(),
        };
        hint.to_owned()
    }

    /// Prints the message; returns the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        // If stderr is closed, there is nobody to tell.
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
                "the closure has no program /bin/x\nhint: there are /bin/a, /bin/b",
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
