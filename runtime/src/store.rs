//! The closure becomes visible: which mode, and why.

use alloc::vec::Vec;
use core::ffi::CStr;

use format::{Mode, PathKey, STORE_DIR};
use rustix::io::Errno;

use crate::cache::{Cache, Form, Location, Ready};
use crate::error::{Error, Impossible, Shown, Unusable};
use crate::file::ExactModes;
use crate::log::Log;
use crate::payload::{Bundle, Payload};
use crate::place::{self, Absent, Place};
use crate::refusal::{Refusal, Step};
use crate::settings::Settings;
use crate::{host, namespace, relocation, sys};

/// A closure that programs can be executed from.
#[derive(Debug)]
pub enum Store {
    /// At `/nix/store`.
    Nix,
    /// Relocated, in the cache with this path.
    Cache(Vec<u8>),
}

impl Store {
    /// The directory of a store path.
    pub fn directory(&self, path: &PathKey) -> Vec<u8> {
        let relocated = match self {
            Store::Nix => None,
            // A store is made only of a cache whose path fits.
            Store::Cache(base) => relocation::directory(base, path.key, &path.path).ok(),
        };
        relocated.unwrap_or_else(|| alloc::format!("{STORE_DIR}/{}", path.path).into_bytes())
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
            Mode::Host => host::find(bundle, environment),
            Mode::Namespace => in_namespace(bundle, settings, environment, log),
            Mode::Relocate => relocated(bundle, settings, environment, log),
            Mode::Ram => match barrier(&tried) {
                Some(reason) => Err(reason),
                None => namespace::enter_ram(bundle, log).map(|()| Store::Nix),
            },
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
    let may_install = settings.mode.is_none()
        && allowed.contains(Mode::Host)
        && sys::is_root()
        && matches!(tried.last(), Some((_, Impossible::Refused(_) | Impossible::Killed(_))));
    if may_install { install(bundle, environment, tried, log) } else { Err(the_error(tried)) }
}

/// Puts the store paths into the host's own store, since no mode works.
#[cold]
fn install(
    bundle: &Bundle,
    environment: &[&CStr],
    tried: Vec<(Mode, Impossible)>,
    log: Log,
) -> Result<Store, Error> {
    match host::install(bundle, environment, log) {
        Ok(store) => {
            log.debug(format_args!("mode {}", Mode::Host));
            Ok(store)
        }
        Err(reason) => {
            log.debug(format_args!("not into the host's store: {reason}"));
            Err(the_error(tried))
        }
    }
}

/// What kept a mode from a namespace keeps every other from it, and the attempt may have left its traces.
fn barrier(tried: &[(Mode, Impossible)]) -> Option<Impossible> {
    tried.iter().find_map(|(_, reason)| match reason {
        Impossible::Refused(Refusal { step: Step::Mount, .. }) => None,
        Impossible::Refused(refusal) => Some(Impossible::Refused(refusal.clone())),
        Impossible::Killed(signal) => Some(Impossible::Killed(*signal)),
        _ => None,
    })
}

/// A failure of our own work is more to the point than that a mode did not work.
#[cold]
fn the_error(tried: Vec<(Mode, Impossible)>) -> Error {
    let (mut failures, refusals): (Vec<_>, Vec<_>) =
        tried.into_iter().partition(|(_, reason)| matches!(reason, Impossible::Failed(_)));
    match failures.pop() {
        Some((_, Impossible::Failed(error))) => *error,
        _ => {
            let cause = refusals.iter().find_map(|(_, reason)| reason.cause());
            Error::NoMode { tried: refusals, cause }
        }
    }
}

/// Unpacks with all references rewritten to the cache: then nothing has to be mounted.
fn relocated(
    bundle: &Bundle,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<Store, Impossible> {
    let (cache, ready) = unpacked(bundle, Form::Relocated, settings, environment, log)?;
    keep(ready, &cache)?;
    Ok(Store::Cache(cache.path))
}

// Its frame would be in that of every start.
#[inline(never)]
fn in_namespace(
    bundle: &Bundle,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<Store, Impossible> {
    let (cache, ready) = unpacked(bundle, Form::AsIs, settings, environment, log)?;
    let Location::Store(number) = ready.location else { return Err(Impossible::Unsupported) };
    namespace::enter(&cache, number, log).map_err(|reason| match reason {
        Impossible::Failed(error) => out_of_space(*error, bundle, &*cache.path).into(),
        reason => reason,
    })?;
    keep(ready, &cache)?;
    Ok(Store::Nix)
}

/// Says how much room the bundle needs in `place`, if there was none.
fn out_of_space(error: Error, bundle: &Bundle, place: impl Into<Shown>) -> Error {
    // That its own file cannot be read is not what went wrong.
    let needed = || Payload::open_own(&bundle.descriptor).ok()?.contents().ok()?.room().ok();
    error.out_of_space(needed, place)
}

fn keep(ready: Ready, cache: &Cache) -> Result<(), Impossible> {
    Ok(ready.keep().map_err(Error::file("keep a lock in", &*cache.path))?)
}

/// Finds the bundle in a cache, or unpacks it.
///
/// # Errors
///
/// As [`unpack`].
fn unpacked(
    bundle: &Bundle,
    form: Form,
    settings: &Settings<'_>,
    environment: &[&CStr],
    log: Log,
) -> Result<(Cache, Ready), Impossible> {
    let places = place::places(settings, environment);
    // Where it is already, it stays: a disk that was full when it was unpacked may have room by now.
    for place in &places {
        if let Ok(cache) = place.open(Absent::Fail)
            && let Ok(Some(ready)) = cache.ready(bundle, form)
        {
            return Ok((cache, ready));
        }
    }
    unpack(bundle, form, &places, log)
}

/// Unpacks the bundle to the first place that can hold it.
///
/// # Errors
///
/// If no place can.
#[cold]
fn unpack(
    bundle: &Bundle,
    form: Form,
    places: &[Place<'_>],
    log: Log,
) -> Result<(Cache, Ready), Impossible> {
    let _modes = ExactModes::begin();
    let mut unusable = Vec::new();
    let mut last = None;
    for place in places {
        let cache = place.open(Absent::Create).and_then(|cache| match form {
            Form::Relocated => cache.check_base(bundle).map(|()| cache),
            Form::AsIs => Ok(cache),
        });
        match cache.map(|cache| (cache.prepare(bundle, form, log), cache)) {
            Ok((Ok(ready), cache)) => return Ok((cache, ready)),
            Ok((Err(error), cache)) if error.depends_on_place() => {
                let error = out_of_space(error, bundle, &*cache.path);
                log.debug(format_args!("not in {}: {}", Shown::from(place), error.what()));
                last = last.or(Some(error));
            }
            Ok((Err(error), _)) => return Err(error.into()),
            Err(Unusable::Failed(operation, errno @ (Errno::NOSPC | Errno::DQUOT))) => {
                let error = Error::file(operation, place)(errno);
                log.debug(format_args!("not in {}", error.what()));
                last = last.or(Some(out_of_space(error, bundle, place)));
            }
            Err(reason) => {
                log.debug(format_args!("not in {}: {reason}", Shown::from(place)));
                unusable.push((Shown::from(place), reason));
            }
        }
    }
    Err(last.map_or(Impossible::NoPlace(unusable), Impossible::from))
}
