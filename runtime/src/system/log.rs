//! Words to the user, on stderr alone: stdout is the program's.

use alloc::string::String;
use core::fmt::{self, Write as _};

use rustix::io::retry_on_intr;

use super::call;

/// Says what is done and why, if the user asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Whether anything is said.
    pub on: bool,
}

impl Log {
    /// Says something, in a line of its own.
    pub fn debug(self, message: fmt::Arguments<'_>) {
        if self.on {
            say(message);
        }
    }
}

/// Says that another start holds the lock of a place.
pub fn waiting(place: impl fmt::Display) {
    say(format_args!("waiting for another start that is unpacking to {place}"));
}

/// Writes lines to stderr in one call.
///
/// A closed or full stderr is no reason not to run the program, so errors are ignored.
pub fn say(message: fmt::Arguments<'_>) {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "packed: {message}");
    let _ = retry_on_intr(|| rustix::io::write(call::stderr(), text.as_bytes()));
}
