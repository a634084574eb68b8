//! Escapes paths and arguments for messages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use runtime::error::Escaped;

/// Escapes a path.
pub(crate) fn path(path: &Path) -> String {
    os(path.as_os_str())
}

/// Escapes an argument.
pub(crate) fn os(text: &OsStr) -> String {
    Escaped(text.as_bytes()).to_string()
}

/// Escapes what another program or machine says.
pub(crate) fn text(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}
