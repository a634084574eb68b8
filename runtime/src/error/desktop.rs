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
            DesktopError::Taken(_) => "remove it first, if nobody needs it; it is never replaced",
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::error::Error;

    #[test]
    fn texts_are_two_lines_word_for_word() {
        let path = || Shown::from("/home/alice/.local/share");
        let file = |errno| DesktopError::File { operation: "write", object: path(), errno };
        for (error, text) in [
            (
                DesktopError::NoDataHome,
                "no directory for desktop entries: neither XDG_DATA_HOME nor HOME names one\n\
                 hint: set HOME, or XDG_DATA_HOME to an absolute path",
            ),
            (
                DesktopError::ForeignDataHome(path(), 7),
                "/home/alice/.local/share belongs to user 7\n\
                 hint: run it as that user, or set XDG_DATA_HOME",
            ),
            (
                file(Errno::NOSPC),
                "cannot write /home/alice/.local/share: No space left on device\n\
                 hint: make room there; nothing was installed",
            ),
            (
                file(Errno::ROFS),
                "cannot write /home/alice/.local/share: Read-only file system\n\
                 hint: desktop entries are in XDG_DATA_HOME, or in ~/.local/share: you must be able to write there",
            ),
            (
                DesktopError::Taken(path()),
                "/home/alice/.local/share exists, and this bundle did not write it\n\
                 hint: remove it first, if nobody needs it; it is never replaced",
            ),
            (
                DesktopError::UnfitPath("/a\nb".into(), "it does not exist"),
                "a desktop entry cannot name /a\\nb: it does not exist\n\
                 hint: move or rename the file, and install again",
            ),
            (
                DesktopError::NoEntry("x.desktop: it has no Exec".into()),
                "this bundle has no desktop entry that can be installed: x.desktop: it has no Exec\n\
                 hint: what is installed is share/applications/*.desktop of the entries' store paths",
            ),
            (
                DesktopError::NotInstalled(path()),
                "no desktop entries of /home/alice/.local/share are installed\n\
                 hint: PACKED=desktop lists what is installed",
            ),
        ] {
            assert_eq!(Error::Desktop(error).to_string(), text);
        }
    }
}
