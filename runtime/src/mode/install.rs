//! The last resort of a root that may not mount: the closure is unpacked to the host's `/nix/store` itself.

use core::ffi::CStr;

use format::STORE_DIR;
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::host::{self, Owners, Sharing};
use super::visible::Visible;
use crate::cache::record::State;
use crate::cache::remove;
use crate::cache::store_dir::{StoreDir, Unpacking};
use crate::context::Context;
use crate::error::{Error, Impossible};
use crate::payload::Payload;
use crate::system::file::{self, ExactPermissions, Permissions};
use crate::system::log;

/// What `/nix` has if the store in it was made here: locked while somebody unpacks.
const LOCK: &CStr = c".packed";

/// Where store paths are unpacked before they are moved to the store.
const WORK: &CStr = c".packed-work";

/// Unpacks to `/nix/store` itself, for a root that may not mount, such as that of a default container.
///
/// What is there then is the host's: the next start finds it, and nothing here removes it. A store that
/// somebody else made is left alone.
///
/// # Errors
///
/// If there is such a store, or something cannot be written.
pub(super) fn install(context: &Context<'_>) -> Result<Visible, Impossible> {
    let _permissions = ExactPermissions::begin();
    let permissions = Permissions::from_raw_mode(0o755);
    let nix =
        file::ensure_directory(CWD, c"/nix", permissions).map_err(Error::file("create", "/nix"))?;
    host::check(CWD, "/nix", &Owners::trusted(context), Sharing::None)?;
    let is_there =
        |name| rustix::fs::accessat(&nix, name, Access::EXISTS, AtFlags::empty()).is_ok();
    if is_there(c"store") && !is_there(LOCK) {
        return Err(Error::file("create", STORE_DIR)(Errno::EXIST).into());
    }
    let lock =
        file::lock(&nix, LOCK, || log::waiting("/nix")).map_err(Error::file("lock", "/nix"))?;
    let open =
        |name| file::ensure_directory(&nix, name, permissions).map_err(Error::file("create", name));
    let (store, work) = (open(c"store")?, open(WORK)?);
    // Whoever made what is in it is gone: we have the lock.
    remove::empty_directory(&work)?;

    let payload = Payload::open_own(&context.bundle.descriptor)?;
    let sections = payload.sections()?;
    log::say(format_args!("unpacking to {STORE_DIR}, since nothing can be mounted there"));
    let store = StoreDir::outside(store, &sections.manifest);
    let unpacking = Unpacking {
        payload: &payload,
        sections: &sections,
        work: &work,
        place: b"/nix",
        log: context.log,
    };
    let added = store.missing().and_then(|missing| store.add(&unpacking, &missing, State::Settled));
    remove::empty_directory(&work)?;
    // An empty directory does no harm.
    let _ = rustix::fs::unlinkat(&nix, WORK, AtFlags::REMOVEDIR);
    added?;
    drop(lock);
    host::find(context)
}
