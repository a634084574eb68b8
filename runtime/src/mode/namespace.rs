//! Mode `namespace`: the cache appears at `/nix/store`, in a mount namespace of the program's own.

pub(super) mod attempt;
pub(super) mod identity;
pub(super) mod mount;
pub(super) mod root;
pub(super) mod working_directory;

use alloc::ffi::CString;

use attempt::attempt;
use mount::{HostStore, STORE_DIR_C, cover, refused};
use root::Root;
use working_directory::WorkingDirectory;

use super::visible::Visible;
use crate::cache::directory::Cache;
use crate::cache::{self, Form, Location};
use crate::context::Context;
use crate::error::refusal::Step;
use crate::error::{Error, Impossible};
use crate::system::log::Log;

/// Finds the closure in the cache, or unpacks it, and makes it visible for this process and its children.
///
/// # Errors
///
/// If no cache can hold it, or the kernel refuses. A namespace may have been entered by then, but nothing that
/// others see has changed.
// Its frame would be in that of every start.
#[inline(never)]
pub(super) fn enter(context: &Context<'_>) -> Result<Visible, Impossible> {
    let (cache, ready) = cache::obtain(context, Form::AsIs)?;
    let Location::Store(number) = ready.location else { return Err(Impossible::Unsupported) };
    show(&cache, number, context.log).map_err(|reason| match reason {
        Impossible::Failed(error) => {
            cache::out_of_space(*error, context.bundle, &*cache.path).into()
        }
        reason => reason,
    })?;
    ready.keep(&cache)?;
    Ok(Visible::InNixStore)
}

/// Makes store `number` of the cache visible at `/nix/store`.
///
/// The caller's identity, working directory and everything else that it sees stay as they are.
fn show(cache: &Cache, number: u32, log: Log) -> Result<(), Impossible> {
    let here = WorkingDirectory::open();
    let store = CString::new(alloc::format!("stores/{number}")).unwrap_or_default();
    let on_host = HostStore::look()?;
    // Prepared while nothing has changed yet.
    let root = match on_host {
        HostStore::Absent => {
            let root = Root::list()?;
            let path = root.prepare(cache)?;
            Some((root, path))
        }
        HostStore::Empty | HostStore::InUse => None,
    };
    let result = attempt(log, |log| {
        // Names are relative to the cache, so that a long or odd path of it does no harm. The kernel takes
        // the working directory along into a new mount namespace, but not what descriptors refer to.
        rustix::process::fchdir(&cache.directory).map_err(refused(Step::Mount, "the cache"))?;
        identity::enter(log)?;
        match &root {
            Some((root, path)) => root.enter(path, &store, log),
            None => cover(&store, STORE_DIR_C, on_host, log),
        }
    });
    let restored = here.restore();
    result.and(Ok(restored?))
}

/// Checks the cache's copy of the host's top level, and has the next start make it anew if it was altered.
///
/// Returns whether it was.
///
/// # Errors
///
/// If it cannot be put aside.
pub fn verify_root(cache: &Cache) -> Result<bool, Error> {
    // Where the host cannot be listed, no start uses one.
    Root::list().map_or(Ok(false), |root| root.verify(cache))
}
