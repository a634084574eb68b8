//! How fast a server is: only the time that is spent waiting counts.

use std::time::Duration;

/// The pace of one transfer.
pub(crate) struct Pace {
    /// The slowest transfer that is waited for, in bytes a second.
    slowest: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new(slowest: u64) -> Pace {
        Pace { slowest, waited: Duration::ZERO, bytes: 0 }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        *self = Pace::new(self.slowest);
    }

    /// Counts a wait in which nothing can come, such as that for an answer.
    pub(crate) fn wait(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Whether the server was too slow for the whole of the last `period`.
    pub(crate) fn is_too_slow(&mut self, waited: Duration, bytes: usize, period: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < period {
            return false;
        }
        let too_slow = self.bytes < self.slowest * self.waited.as_secs().max(1);
        self.reset();
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_counts_for_the_pace() {
        let (period, second) = (Duration::from_secs(10), Duration::from_secs(1));
        let mut pace = Pace::new(64);
        // Ten seconds with 50 bytes each.
        assert!((0..9).all(|_| !pace.is_too_slow(second, 50, period)));
        assert!(pace.is_too_slow(second, 50, period));
        assert!((0..20).all(|_| !pace.is_too_slow(second, 70, period)));
        assert!((0..100_000).all(|_| !pace.is_too_slow(Duration::ZERO, 1, period)));
    }
}
