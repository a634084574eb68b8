//! All errors of the runtime.
//!
//! A message has two lines: what failed, with the object's name, and `hint:` with what to do about
//! it. All texts are in `error/text.rs`.

mod desktop;
pub mod refusal;
pub(crate) mod shown;
mod text;

use alloc::vec::Vec;
use core::fmt;

use format::{Mode, Modes, UnfitBase};
use rustix::io::Errno;

pub use desktop::DesktopError;
use refusal::{Cause, Refusal};
pub use shown::{Escaped, Shown, Size};

use crate::system::limit::MemoryLimit;
use text::{Hint, What};

/// Why the launcher cannot run the program or its own command.
#[derive(Debug)]
pub enum Error {
    /// The bundle differs from what the packer wrote. Without this error, altered content could
    /// run.
    Damaged(format::Error),
    /// The file has another length than when it was packed: it was cut, or has more bytes at the
    /// end.
    FileLength {
        /// The length when it was packed, in bytes.
        expected: u64,
        /// The length now, in bytes.
        found: u64,
    },
    /// The bundle cannot read its own file.
    OwnFile(Errno),
    /// A system call on a file failed.
    File {
        /// The operation that failed, such as `create`.
        operation: &'static str,
        /// The file's name.
        object: Shown,
        /// The kernel's error.
        errno: Errno,
    },
    /// A cache, or a file in it, cannot be used.
    Unusable {
        /// Its path, or its name in the cache.
        object: Shown,
        /// The reason.
        reason: Unusable,
    },
    /// There is not enough room to unpack.
    NoSpace {
        /// The room that unpacking needs.
        needed: Room,
        /// The directory to unpack to.
        place: Shown,
        /// The kernel's error: no space or no quota.
        errno: Errno,
    },
    /// The value of `PACKED_MODE` is not a mode.
    UnknownMode(Shown),
    /// `PACKED_MODE` names a mode that the packer does not allow.
    ModeNotAllowed {
        /// The value of `PACKED_MODE`.
        mode: Mode,
        /// The modes that are allowed.
        allowed: Modes,
    },
    /// No mode works on this host.
    NoMode {
        /// Each mode that was tried, with the reason.
        tried: Vec<(Mode, Impossible)>,
        /// The cause of the first refusal by the kernel. Later refusals can be a consequence of it.
        cause: Option<Cause>,
    },
    /// The value of `PACKED_ARGV0` is unknown.
    UnknownArgv0(Shown),
    /// The value of `PACKED_GRAPHICS` is unknown.
    UnknownGraphics(Shown),
    /// The graphics drivers that the user chose are not there.
    NoDrivers(NoDrivers),
    /// The value of `PACKED` is not a command.
    UnknownCommand(Shown),
    /// The packer put no bill of materials into the bundle.
    NoSbom,
    /// A program of the host that the bundle's program starts is not in `PATH`.
    NotInPath(Shown),
    /// The program is visible, but cannot be executed.
    Exec {
        /// The program's path.
        program: Shown,
        /// The kernel's error.
        errno: Errno,
    },
    /// The process runs as its caller's user, but with a group that the caller does not have.
    ///
    /// The caller owns the cache: it could put another program there and run it with the rights of
    /// the group.
    SetGroup,
    /// There is not enough memory.
    Memory(MemoryLimit),
    /// There is not enough room on the stack.
    Stack,
    /// Desktop entries cannot be installed, listed or removed.
    Desktop(DesktopError),
}

/// The room that unpacking needs on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files, directories and links: each takes an inode.
    pub files: u64,
}

/// Why there are no graphics drivers.
#[derive(Clone, Debug)]
pub enum NoDrivers {
    /// The packer put none into the bundle.
    InBundle,
    /// The host has none that the bundle's programs could load.
    OnHost,
    /// The host has no libraries of the version of NVIDIA's module in its kernel.
    OfVersion(Shown),
    /// The closure has no glibc, which the host's drivers need.
    WithoutGlibc,
    /// No directory can have links to the host's.
    WithoutPlace,
}

/// Why a mode does not work on this host.
#[derive(Debug)]
pub enum Impossible {
    /// The host's own store does not have this store path.
    NotOnHost(Shown),
    /// Another user could have put this file into the host's store.
    ///
    /// Without this error, root could run a program that another user chose.
    ForeignStore(Shown),
    /// The kernel refused a namespace or a mount.
    Refused(Refusal),
    /// A child process tried it first, and this signal killed the child.
    Killed(i32),
    /// No place can hold the cache; each has its reason.
    NoPlace(Vec<(Shown, Unusable)>),
    /// This version does not support it.
    Unsupported,
    /// An operation of the launcher failed.
    Failed(alloc::boxed::Box<Error>),
}

/// Why a directory cannot hold the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A system call failed.
    Failed(&'static str, Errno),
    /// It belongs to the user with this number, who could change what runs.
    ForeignOwner(u32),
    /// It is a link that the user with this number made, who could let it lead to something else.
    ForeignLink(u32),
    /// Other users may write to it, and could change what runs.
    WritableByOthers,
    /// Other users may replace the directory, and relocated programs run by their path.
    ReplaceableByOthers,
    /// Its file system is mounted noexec.
    NoExec,
    /// Its path is not absolute.
    Relative,
    /// References cannot be rewritten to its path.
    Unfit(UnfitBase),
    /// A launcher of another version created it, with another layout.
    OtherLayout,
    /// It contains files that do not belong to a cache. Unpacking could replace them.
    OtherFiles,
    /// Too many store paths have the same name but different contents.
    TooManyStores,
}

impl Impossible {
    /// Whether the process has too little of something that the other modes need as well.
    pub fn is_of_process(&self) -> bool {
        match self {
            Impossible::NoPlace(places) => {
                places.iter().any(|(_, reason)| matches!(reason, Unusable::Failed(_, Errno::MFILE)))
            }
            Impossible::Refused(refusal) => refusal.errno == Errno::MFILE,
            Impossible::Failed(error) => matches!(
                **error,
                Error::File { errno: Errno::MFILE, .. }
                    | Error::OwnFile(Errno::MFILE)
                    | Error::Memory(_)
                    | Error::Stack
            ),
            _ => false,
        }
    }

    /// Returns the cause, if the kernel refused a namespace or a mount.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Impossible::Refused(refusal) => Some(refusal.cause()),
            // Only a seccomp filter kills the process; other restrictions return an error.
            Impossible::Killed(_) => Some(Cause::Seccomp),
            _ => None,
        }
    }
}

impl From<Error> for Impossible {
    fn from(error: Error) -> Impossible {
        Impossible::Failed(error.into())
    }
}

impl From<Refusal> for Impossible {
    fn from(refusal: Refusal) -> Impossible {
        Impossible::Refused(refusal)
    }
}

impl From<format::Error> for Error {
    fn from(error: format::Error) -> Error {
        Error::Damaged(error)
    }
}

impl From<DesktopError> for Error {
    fn from(error: DesktopError) -> Error {
        Error::Desktop(error)
    }
}

impl Error {
    /// Returns the error of a system call on a file.
    pub fn file(operation: &'static str, object: impl Into<Shown>) -> impl FnOnce(Errno) -> Error {
        move |errno| Error::File { operation, object: object.into(), errno }
    }

    /// Returns the error of an allocation that failed.
    pub fn memory() -> Error {
        Error::Memory(MemoryLimit::met())
    }

    /// Returns the error for a cache, or a file in it, that cannot be used.
    pub fn unusable(object: impl Into<Shown>, reason: Unusable) -> Error {
        Error::Unusable { object: object.into(), reason }
    }

    /// Adds the room that is needed to an error that says that the disk is full; returns other
    /// errors as they are.
    pub fn out_of_space(
        self,
        needed: impl FnOnce() -> Option<Room>,
        place: impl Into<Shown>,
    ) -> Error {
        match self {
            Error::File { errno: errno @ (Errno::NOSPC | Errno::DQUOT), .. } => match needed() {
                Some(needed) => Error::NoSpace { needed, place: place.into(), errno },
                None => self,
            },
            error => error,
        }
    }

    /// Returns the exit status: 126 and 127 as for env(1), and 125 for all other errors.
    pub fn exit_status(&self) -> i32 {
        match self {
            Error::Exec { errno: Errno::NOENT, .. } | Error::NotInPath(_) => 127,
            Error::Exec { .. } => 126,
            _ => 125,
        }
    }

    /// Whether another place for the cache may work: it may have room, or allow writing.
    pub fn depends_on_place(&self) -> bool {
        match self {
            Error::NoSpace { .. } | Error::Unusable { .. } => true,
            Error::File { errno, .. } => {
                matches!(
                    *errno,
                    Errno::ROFS
                        | Errno::ACCESS
                        | Errno::PERM
                        | Errno::IO
                        | Errno::NOSPC
                        | Errno::DQUOT
                )
            }
            _ => false,
        }
    }

    /// Returns the text of the second line, without `hint:`.
    pub fn hint(&self) -> impl fmt::Display {
        Hint(self)
    }

    /// Returns the text of the first line.
    pub fn what(&self) -> impl fmt::Display {
        What(self)
    }
}

impl fmt::Display for Error {
    /// Writes both lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", What(self), Hint(self))
    }
}

/// The operation of an [`Error::File`] that could not write to stdout.
pub const WRITE_TO: &str = "write to";
