//! The closure becomes visible: which mode, and why.

use alloc::vec::Vec;
use core::ffi::CStr;

use format::{Mode, PathKey, STORE_DIR};
use rustix::fs::AtFlags;

use crate::cache::{Cache, Ready};
use crate::error::{Error, Impossible, Shown};
use crate::log::Log;
use crate::namespace;
use crate::payload::Bundle;
use crate::place::{self, Absent};
use crate::settings::Settings;

/// A closure that programs can be executed from.
#[derive(Debug)]
pub struct Store(());

impl Store {
    /// The directory of a store path.
    pub fn directory(&self, path: &PathKey) -> Vec<u8> {
        alloc::format!("{STORE_DIR}/{}", path.path).into_bytes()
    }
}

/// Makes the closure visible in the first mode that works.
///
/// # Errors
///
/// If none does; with a single mode, its own error.
pub fn make_visible(
    bundle: &Bundle,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<Store, Error> {
    let allowed = bundle.descriptor.modes;
    let modes: Vec<Mode> = match settings.mode {
        Some(mode) if !allowed.contains(mode) => {
            return Err(Error::ModeNotAllowed { mode, allowed });
        }
        Some(mode) => [mode].into(),
        None => allowed.iter().collect(),
    };
    let mut tried = Vec::new();
    for mode in modes {
        let result = match mode {
            Mode::Host => on_host(bundle),
            Mode::Namespace => in_namespace(bundle, settings, environment, log),
            Mode::Relocate | Mode::Ram => Err(Impossible::Unsupported),
        };
        match result {
            Ok(store) => {
                log.debug(format_args!("mode {mode}"));
                return Ok(store);
            }
            Err(reason) => {
                log.debug(format_args!("not mode {mode}: {reason}"));
                tried.push((mode, reason));
            }
        }
    }
    Err(the_reason(tried))
}

/// An error of our own work is more to the point than the fact that a mode failed.
fn the_reason(mut tried: Vec<(Mode, Impossible)>) -> Error {
    match tried.iter().position(|(_, reason)| matches!(reason, Impossible::Failed(_))) {
        Some(at) => match tried.swap_remove(at).1 {
            Impossible::Failed(error) => *error,
            // `position` found it so.
            _ => Error::NoMode(tried),
        },
        None => Error::NoMode(tried),
    }
}

/// The host's store has every store path of the closure if it has those that the entries are in: Nix
/// makes a path valid only after all it refers to.
fn on_host(bundle: &Bundle) -> Result<Store, Impossible> {
    for path in &bundle.descriptor.paths {
        let path = alloc::format!("{STORE_DIR}/{}", path.path);
        if rustix::fs::statat(rustix::fs::CWD, &*path, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Err(Impossible::NotOnHost(path.into()));
        }
    }
    Ok(Store(()))
}

fn in_namespace(
    bundle: &Bundle,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<Store, Impossible> {
    let (cache, ready) = unpacked(bundle, settings, environment, log).map_err(failed)?;
    namespace::enter(&cache, ready.store, log)?;
    ready.keep().map_err(Error::file("keep open the record in", &*cache.path)).map_err(failed)?;
    Ok(Store(()))
}

fn failed(error: Error) -> Impossible {
    Impossible::Failed(error.into())
}

/// Finds the bundle in a cache, or unpacks it to the first place that can hold it.
///
/// # Errors
///
/// If no place can.
fn unpacked(
    bundle: &Bundle,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<(Cache, Ready), Error> {
    let places = place::places(settings, environment);
    // Where it is already, it stays: a disk that was full when it was unpacked may have room by now.
    for place in &places {
        if let Ok(cache) = place.open(Absent::Fail)
            && let Some(ready) = cache.ready(bundle)?
        {
            return Ok((cache, ready));
        }
    }
    let mut unusable = Vec::new();
    let mut last = None;
    for place in &places {
        match place.open(Absent::Create) {
            Ok(cache) => match cache.prepare(bundle, log) {
                Ok(ready) => return Ok((cache, ready)),
                Err(error) if error.depends_on_place() => {
                    log.debug(format_args!("not in {}: {error}", Shown::from(place)));
                    last = last.or(Some(error));
                }
                Err(error) => return Err(error),
            },
            Err(reason) => {
                log.debug(format_args!("not in {}: {reason}", Shown::from(place)));
                unusable.push((Shown::from(place), reason));
            }
        }
    }
    Err(last.unwrap_or(Error::NoCache(unusable)))
}
