//! Writes messages to stderr; stdout belongs to the program.

use alloc::string::String;
use core::fmt::{self, Write as _};

use rustix::io::retry_on_intr;

use super::call;

/// Writes debug messages, if the user asked for them.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Whether to write them.
    pub on: bool,
}

impl Log {
    /// Writes a debug message as a line.
    pub fn debug(self, message: fmt::Arguments<'_>) {
        if self.on {
            say(message);
        }
    }
}

/// Writes that another start holds the lock of a place.
pub fn waiting(place: impl fmt::Display) {
    say(format_args!("waiting for another start that is unpacking to {place}"));
}

/// Writes lines to stderr in one call.
///
/// It ignores errors: the program must run even if stderr is closed or full.
pub fn say(message: fmt::Arguments<'_>) {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "packed: {message}");
    let _ = retry_on_intr(|| rustix::io::write(call::stderr(), text.as_bytes()));
}
