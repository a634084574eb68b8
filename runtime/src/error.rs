//! All ways to fail.
//!
//! A message has two lines: what failed, with the object in it; then `hint:` and what to do now. All texts
//! stand in `error/text.rs`.

pub mod refusal;
pub(crate) mod shown;
mod text;

use alloc::vec::Vec;
use core::fmt;

use format::{Mode, Modes, UnfitBase};
use rustix::io::Errno;

use refusal::{Cause, Refusal};
pub use shown::{Escaped, Shown, Size};
use text::{Hint, What};

/// Why the program was not run, or the launcher's own work not done.
#[derive(Debug)]
pub enum Error {
    /// The bundle is not what the packer wrote. Running it could run altered content.
    Damaged(format::Error),
    /// The file ends early or late: the payload is gone or something was put behind it.
    FileLength {
        /// Bytes there should be.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The bundle cannot read its own file.
    OwnFile(Errno),
    /// A system call on a file failed.
    File {
        /// What was tried, such as `create`.
        operation: &'static str,
        /// The file's name.
        object: Shown,
        /// What the kernel said.
        errno: Errno,
    },
    /// A cache, or a file in it, cannot be used.
    Unusable {
        /// Its path, or its name in the cache.
        object: Shown,
        /// Why not.
        reason: Unusable,
    },
    /// There is no room to unpack to.
    NoSpace {
        /// What has to be unpacked.
        needed: Room,
        /// Where to.
        place: Shown,
        /// What the kernel said: no space, no quota.
        errno: Errno,
    },
    /// `PACKED_MODE` is no mode's name.
    UnknownMode(Shown),
    /// `PACKED_MODE` names a mode that the packer did not allow.
    ModeNotAllowed {
        /// The mode.
        mode: Mode,
        /// Those that are allowed.
        allowed: Modes,
    },
    /// No mode works on this host.
    NoMode {
        /// A reason for each that was tried.
        tried: Vec<(Mode, Impossible)>,
        /// Why the first one was refused that the kernel refused: what comes after it can be its effect.
        cause: Option<Cause>,
    },
    /// `PACKED` is no command.
    UnknownCommand(Shown),
    /// The program was made visible but cannot be executed.
    Exec {
        /// Its path.
        program: Shown,
        /// What the kernel said.
        errno: Errno,
    },
    /// The process has a group that its caller has not, and the caller's files.
    ///
    /// If it ran, the caller could put another program into the cache, which is its own, and run that with the
    /// group's rights.
    SetGroup,
    /// Memory ran out.
    Memory,
}

/// What there must be room for on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files of any kind, each of which takes an inode.
    pub files: u64,
}

/// Why a mode cannot be used here.
#[derive(Debug)]
pub enum Impossible {
    /// The host's own store lacks this store path.
    NotOnHost(Shown),
    /// Somebody else could have put this into the host's store.
    ///
    /// If it were run, root would run what another user chose.
    ForeignStore(Shown),
    /// The kernel refused a namespace or a mount.
    Refused(Refusal),
    /// The attempt, made by a child process first, ended it by this signal.
    Killed(i32),
    /// None of the places for a cache can be used.
    NoPlace(Vec<(Shown, Unusable)>),
    /// This version has no way to do it yet.
    Unsupported,
    /// Something else failed on the way.
    Failed(alloc::boxed::Box<Error>),
}

/// Why a directory cannot hold the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A system call failed.
    Failed(&'static str, Errno),
    /// It belongs to another user, who could change what runs.
    ForeignOwner(u32),
    /// Others may write to it, and could change what runs.
    WritableByOthers,
    /// Others may put another directory in its place, and what is relocated is run by its path.
    ReplaceableByOthers,
    /// Programs cannot be executed from there.
    NoExec,
    /// Its path is not absolute.
    Relative,
    /// References cannot be rewritten to its path.
    Unfit(UnfitBase),
    /// A launcher of another version made it. It is not touched.
    OtherLayout,
    /// It holds other files than those of a cache, which unpacking could replace.
    OtherFiles,
    /// Store paths of one name have more different contents than can be right.
    TooManyStores,
}

impl Impossible {
    /// Why the kernel refused it, if it did.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Impossible::Refused(refusal) => Some(refusal.cause()),
            // What is not a filter gives an error.
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

impl Error {
    /// Makes the error of a system call on a file.
    pub fn file(operation: &'static str, object: impl Into<Shown>) -> impl FnOnce(Errno) -> Error {
        move |errno| Error::File { operation, object: object.into(), errno }
    }

    /// Makes the error of a cache, or a file in it, that cannot be used.
    pub fn unusable(object: impl Into<Shown>, reason: Unusable) -> Error {
        Error::Unusable { object: object.into(), reason }
    }

    /// Says how much room is needed, where a file could not be written for want of it.
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

    /// The exit status: 126 and 127 as env(1) has them, 125 for the launcher's own failures.
    pub fn exit_status(&self) -> i32 {
        match self {
            Error::Exec { errno: Errno::NOENT, .. } => 127,
            Error::Exec { .. } => 126,
            _ => 125,
        }
    }

    /// Whether there may be room or permission at another place.
    pub fn depends_on_place(&self) -> bool {
        match self {
            Error::NoSpace { .. } | Error::Unusable { .. } => true,
            Error::File { errno, .. } => {
                matches!(
                    *errno,
                    Errno::ROFS
                        | Errno::ACCESS
                        // Landlock before Linux 5.19 lets nothing be moved to another directory.
                        | Errno::XDEV
                        | Errno::PERM
                        | Errno::IO
                        | Errno::NOSPC
                        | Errno::DQUOT
                )
            }
            _ => false,
        }
    }

    /// What to do now.
    pub fn hint(&self) -> impl fmt::Display {
        Hint(self)
    }

    /// What failed.
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

/// What [`Error::File`] calls an attempt to write to stdout.
pub const WRITE_TO: &str = "write to";
