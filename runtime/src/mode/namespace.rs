//! Mode `namespace`: mounts the cache at `/nix/store`, in a new mount namespace for the program.

pub(super) mod attempt;
pub(super) mod identity;
pub(super) mod mount;
pub(super) mod root;
pub(super) mod working_directory;

use alloc::ffi::CString;

use attempt::attempt;
use mount::{HostStore, STORE_DIR_C, cover, refused};
use root::{Drivers as InRoot, Root};
use working_directory::WorkingDirectory;

use super::visible::Visible;
use crate::cache::directory::{Cache, Kind};
use crate::cache::{self, Form, Location, Wanted};
use crate::context::Context;
use crate::error::refusal::Step;
use crate::error::{Error, Impossible};
use crate::graphics::Drivers;
use crate::system::log::Log;

/// Finds the closure in the cache, or unpacks it, and makes it visible to this process and its
/// children.
///
/// # Errors
///
/// If no place can hold the cache, or the kernel refuses the namespace. The process may be in a new
/// namespace then, but nothing has changed for other processes.
// If it were inlined, every start would touch its stack frame.
#[inline(never)]
pub(super) fn enter(
    context: &Context<'_>,
    drivers: Option<&Drivers>,
) -> Result<Visible, Impossible> {
    let (cache, ready) = cache::obtain(context, Form::AsIs)?;
    let Location::Store(number) = ready.location else { return Err(Impossible::Unsupported) };
    let in_root = drivers.map_or(InRoot::OfHost, |drivers| link(context, drivers));
    let has_drivers = !matches!(in_root, InRoot::OfHost);
    show(&cache, number, &in_root, context.log).map_err(|reason| match reason {
        Impossible::Failed(error) => {
            cache::out_of_space(*error, Wanted::by(context, Form::AsIs), &*cache.path).into()
        }
        reason => reason,
    })?;
    ready.keep(&cache)?;
    Ok(Visible::Mounted { has_drivers })
}

/// Returns the link to the drivers, if programs of the bundle look for it.
#[cold]
fn link(context: &Context<'_>, drivers: &Drivers) -> InRoot {
    let target = match drivers.are_looked_for() {
        true if drivers.are_of_host() => drivers.links.clone(),
        true => drivers.in_store(context),
        false => None,
    };
    target.and_then(|target| CString::new(target).ok()).map_or(InRoot::OfHost, InRoot::Link)
}

/// Mounts store directory `number` of the cache at `/nix/store`.
///
/// The caller's identity, its working directory and all other files stay as they are.
fn show(cache: &Cache, number: u32, drivers: &InRoot, log: Log) -> Result<(), Impossible> {
    let here = WorkingDirectory::open();
    let store = CString::new(alloc::format!("stores/{number}")).unwrap_or_default();
    let on_host = HostStore::look()?;
    // Do this before anything changes.
    let root = match (on_host, drivers) {
        (HostStore::Empty | HostStore::InUse, InRoot::OfHost) => None,
        _ => {
            let root = Root::list(drivers)?;
            let path = match cache.kind {
                Kind::Own => Some(root.prepare(cache)?),
                // Nothing is written there.
                Kind::Shared => None,
            };
            Some((root, path))
        }
    };
    let result = attempt(log, |log| {
        // The paths below are relative to the cache, so that its own path may be long or contain
        // any character. The kernel moves the working directory to the new mount namespace, but not
        // open descriptors.
        rustix::process::fchdir(&cache.directory).map_err(refused(Step::Mount, "the cache"))?;
        identity::enter(log)?;
        match &root {
            Some((root, Some(path))) => root.enter(path, &store, on_host, log),
            Some((root, None)) => root.enter_in_memory(&store, on_host, log),
            None => cover(&store, STORE_DIR_C, on_host, log),
        }
    });
    let restored = here.restore();
    result.and(Ok(restored?))
}

/// Checks the copy of the host's top level in the cache. If it was altered, renames it: the next
/// start makes a new one.
///
/// Returns whether it was altered.
///
/// # Errors
///
/// If it cannot be renamed.
pub fn verify_root(cache: &Cache) -> Result<bool, Error> {
    // If the host's top level cannot be listed, no start uses a copy of it.
    Root::list(&InRoot::OfHost).map_or(Ok(false), |root| root.verify(cache))
}
