//! Runs jobs on several threads and returns the results in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::{Error, Result};

/// The largest number of unfinished jobs and waiting results, for each thread.
///
/// It limits memory. More than one lets other threads continue while one thread works on a long job.
const JOBS_PER_THREAD: usize = 2;

/// Runs `work` for each number below `count` on several threads, and gives the results to `take` in the order of
/// the numbers.
///
/// # Errors
///
/// The first error in the order of the numbers; it waits for running jobs before it returns. Also an error if no
/// thread can be started.
pub(crate) fn in_order<T: Send>(
    threads: NonZeroUsize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    type Outcome<T> = std::result::Result<Result<T>, Box<dyn Any + Send>>;
    let (give, jobs) = mpsc::channel::<usize>();
    let (done, outcomes) = mpsc::channel::<(usize, Outcome<T>)>();
    let jobs = Mutex::new(jobs);
    thread::scope(|scope| {
        for started in 0..threads.get().min(count) {
            let (jobs, done, work) = (&jobs, done.clone(), &work);
            let run = move || {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(number) = job else { break };
                    // Pass a panic to the caller's thread, which would otherwise wait for this result.
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(number)));
                    if done.send((number, outcome)).is_err() {
                        break;
                    }
                }
            };
            match thread::Builder::new().spawn_scoped(scope, run) {
                Ok(_) => {}
                Err(source) if started == 0 => return Err(Error::Thread { source }),
                // Continue with fewer threads.
                Err(_) => break,
            }
        }
        drop(done);
        let mut numbers = 0..count;
        let mut give_next = || {
            // Sending fails only if all threads have ended; `outcomes.recv` reports that.
            numbers.next().map(|number| give.send(number).is_ok())
        };
        for _ in 0..threads.get().saturating_mul(JOBS_PER_THREAD) {
            give_next();
        }
        let mut early = BTreeMap::new();
        for number in 0..count {
            let outcome = loop {
                if let Some(outcome) = early.remove(&number) {
                    break outcome;
                }
                match outcomes.recv() {
                    Ok((number, outcome)) => early.insert(number, outcome),
                    Err(mpsc::RecvError) => unreachable!("every number has an outcome"),
                };
            };
            let result = outcome.unwrap_or_else(|panic| resume_unwind(panic));
            // If this returns, `give` is dropped, and the threads end.
            take(result?)?;
            give_next();
        }
        drop(give);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn results_are_in_order() {
        for count in [0, 1, 2, 50] {
            let mut results = Vec::new();
            let work = |number: usize| {
                thread::sleep(Duration::from_micros((number as u64 * 7919) % 500));
                Ok(number)
            };
            in_order(threads(4), count, work, |number| {
                results.push(number);
                Ok(())
            })
            .unwrap();
            assert_eq!(results, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn first_error_ends_it() {
        let started = AtomicUsize::new(0);
        let work = |number| {
            started.fetch_add(1, Ordering::Relaxed);
            if number >= 5 { Err(Error::HashInOutput) } else { Ok(number) }
        };
        assert!(in_order(threads(3), 10_000, work, |_| Ok(())).is_err());
        assert!(started.into_inner() < 50);
    }

    #[test]
    #[should_panic(expected = "at job 3")]
    fn panic_is_passed_on() {
        let work = |number| {
            assert!(number != 3, "at job {number}");
            Ok(())
        };
        let _ = in_order(threads(2), 10, work, |()| Ok(()));
    }
}
