//! Prints the output of commands to stdout.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::{Error, Result};

/// Prints a value as one line of JSON.
///
/// # Errors
///
/// If stdout cannot be written.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let text =
        serde_json::to_string(value).map_err(|error| Error::Stdout { source: error.into() })?;
    self::text(&format!("{text}\n"))
}

/// Prints text. A closed pipe is not an error: a reader such as `head` may end early.
///
/// # Errors
///
/// If stdout cannot be written for another reason.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|source| Error::Stdout { source }),
    }
}
