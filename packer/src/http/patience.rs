//! How often a request is repeated, and how long packer waits before.

use std::thread;
use std::time::Duration;

/// Attempts without progress after which packer gives up.
const ATTEMPTS: u32 = 5;

/// The wait after the first failure; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait that a server may ask for. Docker Hub's limit is of hours: nobody waits for this at a prompt.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts the attempts of one step.
#[derive(Default)]
pub(crate) struct Patience {
    /// Failures since the last progress.
    pub(crate) failures: u32,
}

impl Patience {
    /// Waits after a failure, as long as the server asks for; `false` if there were too many, or that is too long.
    pub(crate) fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.failures += 1;
        let wait = asked.unwrap_or(FIRST * 2_u32.pow(self.failures - 1));
        let is_worth_it = self.failures < ATTEMPTS && wait <= LONGEST;
        if is_worth_it {
            thread::sleep(wait);
        }
        is_worth_it
    }

    /// Says that there were too many failures, of which this is the last.
    pub(crate) fn gave_up(&self, reason: &str) -> String {
        match self.failures {
            0 | 1 => reason.to_owned(),
            attempts => format!("{reason} ({attempts} attempts)"),
        }
    }

    /// Begins anew: something was sent or received.
    pub(crate) fn progress(&mut self) {
        self.failures = 0;
    }
}
