//! Removes words that nobody built with for the time given by `-timeout`.

use std::time::{Duration, SystemTime};

use crate::log;
use crate::store::Store;

/// The original's pace.
const PAUSE: Duration = Duration::from_secs(30);

const SECONDS_PER_HOUR: u64 = 3_600;

/// Cleans for ever; a redis that is away is tried again at the next turn.
pub(crate) async fn run(store: &Store, hours: u32) {
    let mut was_away = false;
    loop {
        let oldest = now().saturating_sub(u64::from(hours).saturating_mul(SECONDS_PER_HOUR));
        match store.forget_until(oldest).await {
            Ok(()) => was_away = false,
            Err(error) if !was_away => {
                log::line(error);
                was_away = true;
            }
            // Said once is enough: requests are answered with the same words.
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Seconds since 1970; 0 on a clock before that.
pub(crate) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |passed| passed.as_secs())
}
