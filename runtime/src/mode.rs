//! Chooses the mode that makes the closure visible, and says why.

mod host;
mod install;
pub mod namespace;
mod ram;
mod relocate;
pub mod visible;

use alloc::vec::Vec;

use format::Mode;

use crate::context::Context;
use crate::error::refusal::{Refusal, Step};
use crate::error::{Error, Impossible};
use crate::graphics::Drivers;
use crate::system::call;
use visible::Visible;

/// Makes the closure visible in the first mode that works.
///
/// # Errors
///
/// If no mode works. If only one mode was tried, this is its own error.
pub fn make_visible(context: &Context<'_>, drivers: Option<&Drivers>) -> Result<Visible, Error> {
    let Context { bundle, settings, log, .. } = context;
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
            Mode::Host => host::find(context),
            Mode::Relocate => relocate::enter(context),
            Mode::Namespace => namespace::enter(context, drivers),
            Mode::Ram => match namespace_refusal(&tried) {
                Some(reason) => Err(reason),
                None => ram::enter(context, drivers),
            },
        };
        match result {
            Ok(visible) => {
                log.debug(format_args!("mode {mode}"));
                return Ok(visible);
            }
            Err(reason) => {
                log.debug(format_args!("not mode {mode}: {reason}"));
                let is_of_process = reason.is_of_process();
                tried.push((mode, reason));
                if is_of_process {
                    return Err(most_relevant(tried));
                }
            }
        }
    }
    let may_install = settings.mode.is_none()
        && allowed.contains(Mode::Host)
        && call::is_root()
        && matches!(tried.last(), Some((_, Impossible::Refused(_) | Impossible::Killed(_))));
    if may_install { install_or_fail(context, tried) } else { Err(most_relevant(tried)) }
}

/// No mode works: unpacks the store paths to the host's own store.
// If it were inlined, every start would need its stack frame, too.
#[cold]
#[inline(never)]
fn install_or_fail(
    context: &Context<'_>,
    tried: Vec<(Mode, Impossible)>,
) -> Result<Visible, Error> {
    let log = context.log;
    match install::install(context) {
        Ok(visible) => {
            log.debug(format_args!("mode {}", Mode::Host));
            Ok(visible)
        }
        Err(reason) => {
            log.debug(format_args!("not installed in the host's store: {reason}"));
            Err(most_relevant(tried))
        }
    }
}

/// Returns why another mode need not try to enter a namespace: the kernel would refuse it again,
/// and the failed attempt may have changed this process.
fn namespace_refusal(tried: &[(Mode, Impossible)]) -> Option<Impossible> {
    tried.iter().find_map(|(_, reason)| match reason {
        Impossible::Refused(Refusal { step: Step::Mount, .. }) => None,
        Impossible::Refused(refusal) => Some(Impossible::Refused(refusal.clone())),
        Impossible::Killed(signal) => Some(Impossible::Killed(*signal)),
        _ => None,
    })
}

/// Chooses the error to show: a failed operation of the launcher tells more than a mode that does
/// not work here.
#[cold]
fn most_relevant(tried: Vec<(Mode, Impossible)>) -> Error {
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
