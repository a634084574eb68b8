//! The signals that this process takes, as a file to wait for.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigSet, Signal};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::error::{Error, Result};

const TAKEN: [Signal; 7] = [
    Signal::SIGCHLD,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The signals that have come.
#[derive(Debug)]
pub struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    /// Takes them, except those that the caller ignores, as nohup(1) does: they stay ignored, also in the services.
    ///
    /// # Errors
    ///
    /// If there are no descriptors left.
    pub fn take() -> Result<Signals> {
        let failed = || Error::file("receive", "signals");
        let (read, write) = UnixStream::pair().map_err(failed())?;
        let taken =
            TAKEN.iter().filter(|signal| **signal == Signal::SIGCHLD || !is_ignored(**signal));
        let taken = taken.map(|signal| *signal as i32);
        let delivery =
            SignalDelivery::with_pipe(read, write, SignalOnly, taken).map_err(failed())?;
        // Nobody could stop what a caller blocks them for; std unblocks all for services.
        SigSet::from_iter(TAKEN)
            .thread_unblock()
            .map_err(|errno| Error::System("receive signals", errno))?;
        Ok(Signals(delivery))
    }

    /// Returns the file that can be read when there are some.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }

    /// Returns those that have come.
    pub fn pending(&mut self) -> Vec<Signal> {
        self.0.pending().filter_map(|number| Signal::try_from(number).ok()).collect()
    }
}

/// Whether the caller has a signal ignored: `SigIgn` of proc(5).
fn is_ignored(signal: Signal) -> bool {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (signal as i32 - 1) != 0
}
