//! Turns: threads that work at the same time read the file one after the other.
//!
//! So it is read in order, from its first frame to its last. On a slow disk or over a network, several readers at once
//! would make it jump to and fro.

use core::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex::{Flags, wait, wake};

/// The number of the next turn.
pub(super) struct Turn(AtomicU32);

impl Turn {
    /// Begins with turn 0.
    pub(super) fn new() -> Turn {
        Turn(AtomicU32::new(0))
    }

    /// Waits until all turns before `number` are over, and then does `work`. Each number must be taken once.
    pub(super) fn take<T>(&self, number: u32, work: impl FnOnce() -> T) -> T {
        loop {
            let now = self.0.load(Ordering::Acquire);
            if now == number {
                break;
            }
            // It ends when the number has changed; a signal, or a kernel without futexes, only ends it earlier.
            let _ = wait(&self.0, Flags::PRIVATE, now, None);
        }
        let result = work();
        self.0.store(number.wrapping_add(1), Ordering::Release);
        // Who waits looks at the number first, so nobody is missed. Without a thread that waits, it wakes nobody.
        let _ = wake(&self.0, Flags::PRIVATE, i32::MAX.unsigned_abs());
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn turns_are_taken_in_order() {
        let (turn, next, taken) = (Turn::new(), AtomicU32::new(0), Mutex::new(Vec::new()));
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= 1000 {
                    return;
                }
                turn.take(number, || taken.lock().unwrap().push(number));
            }
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(work))));
        assert!(taken.lock().unwrap().iter().copied().eq(0..1000));
    }
}
