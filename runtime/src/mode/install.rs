//! Unpacks the closure to the host's `/nix/store` itself: the last resort for root that may not
//! mount.

use core::ffi::CStr;

use format::STORE_DIR;
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::host::{self, Owners, Sharing};
use super::visible::Visible;
use crate::cache::directory::Others;
use crate::cache::record::State;
use crate::cache::store_dir::{StoreDir, Unpacking};
use crate::context::Context;
use crate::error::{Error, Impossible};
use crate::payload::Payload;
use crate::system::file::{self, ExactPermissions, Permissions};
use crate::system::log;

/// The file in `/nix` that marks a store made by a bundle. It is locked while store paths are
/// unpacked.
const LOCK: &CStr = c".packed";

/// Unpacks to `/nix/store` itself, for root that may not mount, as in a default container.
///
/// Afterwards the store belongs to the host: the next start finds it, and no bundle removes it. A
/// store that something else made is not changed.
///
/// # Errors
///
/// If there is such a store, or a file cannot be written.
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
    let store = file::ensure_directory(&nix, c"store", permissions)
        .map_err(Error::file("create", STORE_DIR))?;
    let payload = Payload::open_own(&context.bundle.descriptor)?;
    let sections = payload.sections()?;
    log::say(format_args!("unpacking to {STORE_DIR}, since nothing can be mounted there"));
    let store = StoreDir::outside(store, &sections, context.subset);
    let unpacking =
        Unpacking { payload: &payload, sections: &sections, place: b"/nix", log: context.log };
    store.remove_unfinished(Others::Wait)?;
    store.add(&unpacking, &store.missing()?, State::Settled)?;
    drop(lock);
    host::find(context)
}
