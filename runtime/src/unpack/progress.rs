//! Shows how much is unpacked, on a terminal.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicU64, Ordering};

use rustix::io::retry_on_intr;

use crate::error::Size;
use crate::system::call::{self, Clock};

/// Milliseconds before the progress line appears: shorter waits do not need it.
const PATIENCE: u64 = 500;

/// Milliseconds between two updates of the line.
const INTERVAL: u64 = 100;

/// A progress line on stderr, if that is a terminal and unpacking takes longer than half a second.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    total: AtomicU64,
    done: AtomicU64,
    /// When to write the line next, in milliseconds of the monotonic clock.
    next: AtomicU64,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Progress {
        Progress {
            terminal: rustix::termios::isatty(call::stderr()),
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            next: AtomicU64::new(now().saturating_add(PATIENCE)),
        }
    }

    /// Sets the total number of bytes.
    pub fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Adds finished bytes; any thread may call it.
    pub fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let (now, next) = (now(), self.next.load(Ordering::Relaxed));
        let after = now.saturating_add(INTERVAL);
        // If several threads get here at once, only one writes the line.
        let is_due = self.terminal && now >= next;
        if is_due
            && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let total = self.total.load(Ordering::Relaxed).max(1);
            let percent = done.saturating_mul(100) / total;
            write(format_args!("\rpacked: unpacking, {percent} % of {}", Size(total)));
        }
    }

    /// Clears the line, if it was written.
    pub fn finish(&self) {
        if self.terminal && now() > self.next.load(Ordering::Relaxed).saturating_sub(INTERVAL) {
            write(format_args!("\r\x1b[K"));
        }
    }
}

/// Writes to stderr. It ignores errors, since the line is not necessary.
fn write(line: core::fmt::Arguments<'_>) {
    let mut text = alloc::string::String::new();
    let _ = text.write_fmt(line);
    let _ = retry_on_intr(|| rustix::io::write(call::stderr(), text.as_bytes()));
}

/// Returns the time of the monotonic clock in milliseconds.
fn now() -> u64 {
    let (seconds, nanoseconds) = call::time(Clock::Monotonic);
    let milliseconds = seconds * 1000 + nanoseconds / 1_000_000;
    u64::try_from(milliseconds).unwrap_or(0)
}
