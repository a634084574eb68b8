//! Why desktop entries cannot be installed, listed or removed, with the texts for that.

use core::fmt;

use rustix::io::Errno;

use super::shown::Shown;
use crate::system::call;

/// Why desktop entries cannot be installed, listed or removed.
#[derive(Debug)]
pub enum DesktopError {
    /// Neither `XDG_DATA_HOME` nor `HOME` is an absolute path.
    NoDataHome,
    /// The directory for the user's data belongs to the user with this number, as `HOME` under sudo.
    ///
    /// That user could not remove what root writes there.
    ForeignDataHome(Shown, u32),
    /// A file or directory below the directory for the user's data cannot be used.
    File {
        /// The operation that failed, such as `create`.
        operation: &'static str,
        /// The path.
        object: Shown,
        /// The kernel's error.
        errno: Errno,
    },
    /// A file is there that no record names: another program wrote it.
    Taken(Shown),
    /// A desktop entry cannot name this path, for this reason.
    UnfitPath(Shown, &'static str),
    /// The bundle has no desktop entry that can be installed; each one has its reason.
    NoEntry(Shown),
    /// Nothing was installed for the bundle at this path.
    NotInstalled(Shown),
}

impl DesktopError {
    /// Returns the text of the second line, without `hint:`.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            DesktopError::NoDataHome => "set HOME, or XDG_DATA_HOME to an absolute path",
            DesktopError::ForeignDataHome(..) => "run it as that user, or set XDG_DATA_HOME",
            DesktopError::File { errno: Errno::NOSPC | Errno::DQUOT, .. } => {
                "make room there; nothing was installed"
            }
            DesktopError::File { errno: Errno::NAMETOOLONG, .. } => {
                "give the bundle a shorter name"
            }
            DesktopError::File { .. } => {
                "desktop entries are in XDG_DATA_HOME, or in ~/.local/share: you must be able to write there"
            }
            DesktopError::Taken(_) => {
                "remove it first, if nobody needs it; packed never replaces it"
            }
            DesktopError::UnfitPath(..) => "move or rename the file, and install again",
            DesktopError::NoEntry(_) => {
                "what is installed is share/applications/*.desktop of the entries' store paths"
            }
            DesktopError::NotInstalled(_) => "PACKED=desktop lists what is installed",
        }
    }
}

impl fmt::Display for DesktopError {
    /// Writes the first line of a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DesktopError::NoDataHome => f.write_str(
                "no directory for desktop entries: neither XDG_DATA_HOME nor HOME names one",
            ),
            DesktopError::ForeignDataHome(path, user) => write!(f, "{path} belongs to user {user}"),
            DesktopError::File { operation, object, errno } => {
                write!(f, "cannot {operation} {object}: {}", call::message(*errno))
            }
            DesktopError::Taken(path) => {
                write!(f, "{path} exists, and this bundle did not write it")
            }
            DesktopError::UnfitPath(path, reason) => {
                write!(f, "a desktop entry cannot name {path}: {reason}")
            }
            DesktopError::NoEntry(reasons) if reasons.as_bytes().is_empty() => {
                f.write_str("this bundle has no desktop entry")
            }
            DesktopError::NoEntry(reasons) => {
                write!(f, "this bundle has no desktop entry that can be installed: {reasons}")
            }
            DesktopError::NotInstalled(path) => {
                write!(f, "no desktop entries of {path} are installed")
            }
        }
    }
}
