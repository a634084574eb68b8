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

/// A text that takes no memory but its own; what is too long for it is cut.
#[derive(Debug)]
pub struct Brief {
    bytes: [u8; 1024],
    len: usize,
}

impl Brief {
    /// Writes a message.
    #[must_use]
    pub fn new(message: fmt::Arguments<'_>) -> Brief {
        let mut brief = Brief { bytes: [0; 1024], len: 0 };
        // It never fails.
        let _ = brief.write_fmt(message);
        brief
    }

    /// Returns its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (_, free) = self.bytes.split_at_mut(self.len);
        let len = free.len().min(text.len());
        free[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}

/// Writes lines to stderr in one call, without allocating memory. It ignores errors.
pub fn say_briefly(message: fmt::Arguments<'_>) {
    let text = Brief::new(format_args!("packed: {message}\n"));
    let _ = retry_on_intr(|| rustix::io::write(call::stderr(), text.bytes()));
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
