//! `packer cache`: lists or removes bundles in the cache of the user who calls it.

use std::ffi::{CString, OsStr};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use runtime::cache::Collected;
use runtime::cache::directory::Cache;
use runtime::cache::place::{self, Absent};
use runtime::error::Shown;

use runtime::settings::Settings;

use super::print;
use crate::cli::{self, Force};
use crate::error::{Error, Result};

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// Runs a command on each cache of the user.
///
/// # Errors
///
/// If a directory of the cache cannot be read or written.
pub(crate) fn cache(command: cli::Cache) -> Result<()> {
    // The code of the stub finds the caches, so both look in the same places.
    let variables: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            CString::new([name.as_os_str(), OsStr::new("="), &value].map(OsStr::as_bytes).concat())
                .ok()
        })
        .collect();
    let environment: Vec<_> = variables.iter().map(CString::as_c_str).collect();
    let settings = Settings::read(&environment).map_err(Error::Runtime)?;
    for place in place::places(&settings, &environment) {
        // A place without a cache is skipped: nothing was unpacked there.
        if let Ok(cache) = place.open(Absent::Fail) {
            let text = run(command, &cache).map_err(Error::Runtime)?;
            print::text(&format!("{}\n{text}", Shown::from(&*cache.path)))?;
        }
    }
    Ok(())
}

fn run(command: cli::Cache, cache: &Cache) -> std::result::Result<String, runtime::error::Error> {
    let now = now();
    let (before, Force { force }) = match command {
        cli::Cache::List => return list(cache, now),
        cli::Cache::Gc { days, force } => (now.saturating_sub(DAY * i64::from(days)), force),
        cli::Cache::Clear { force } => (i64::MAX, force),
    };
    let Collected { removed, kept } = cache.collect(before, force)?;
    let mut text = format!("  removed {removed} bundles\n");
    for (entry, reason) in &kept {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  kept {entry}: {reason}");
    }
    if kept.iter().any(|(_, reason)| !reason.is_certain()) {
        text.push_str("hint: --force removes those that are perhaps in use\n");
    }
    Ok(text)
}

fn list(cache: &Cache, now: i64) -> std::result::Result<String, runtime::error::Error> {
    let mut text = String::new();
    for listed in cache.list()? {
        let record = &listed.record;
        let days = now.saturating_sub(record.last_used) / DAY;
        let used = if listed.in_use { "running".to_owned() } else { format!("{days} days ago") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} ({} store paths, {used})", record.entry, record.names.len());
        for name in &record.names {
            let _ = writeln!(text, "    {name}");
        }
    }
    Ok(text)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
