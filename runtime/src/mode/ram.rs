//! Mode `ram`: unpacks the closure to memory and mounts it at `/nix/store`, without writing to a
//! disk.

use alloc::ffi::CString;

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, CWD};

use super::namespace::attempt::attempt;
use super::namespace::identity;
use super::namespace::mount::{HostStore, STORE_BELOW, cover, refused};
use super::namespace::root::{self, Root, mount_memory};
use super::namespace::working_directory::WorkingDirectory;
use super::visible::Visible;
use crate::context::Context;
use crate::error::refusal::Step;
use crate::error::{Error, Impossible, Size};
use crate::graphics::Drivers;
use crate::payload::Payload;
use crate::system::file::{self, ExactPermissions};
use crate::system::limit::{self, MemoryLimit};
use crate::unpack::node::DIRECTORY_PERMISSIONS;
use crate::unpack::progress::Progress;
use crate::unpack::tree::Destination;
use crate::unpack::{self, room};

/// Unpacks the bundle to memory and makes it visible at `/nix/store`.
///
/// # Errors
///
/// If the kernel refuses the namespace, the bundle is damaged or there is not enough memory. The
/// process may be in a new namespace then, but nothing has changed for other processes.
// If it were inlined, every start would need its stack frame, too.
#[cold]
#[inline(never)]
pub(super) fn enter(
    context: &Context<'_>,
    drivers: Option<&Drivers>,
) -> Result<Visible, Impossible> {
    let log = context.log;
    let _permissions = ExactPermissions::begin();
    let payload = Payload::open_own(&context.bundle.descriptor)?;
    let here = WorkingDirectory::open();
    let on_host = HostStore::look()?;
    let in_root =
        drivers.map_or(root::Drivers::OfHost, |drivers| drivers_in_root(context, drivers));
    let has_drivers = !matches!(in_root, root::Drivers::OfHost);
    let root = Root::list(&in_root)?;
    attempt(log, |log| {
        identity::enter(log)?;
        mount_memory()?;
        let into_it = || {
            rustix::process::chdir(c"/")?;
            rustix::process::chdir(c"..")?;
            root.make(CWD)
        };
        into_it().map_err(refused(Step::Mount, "/"))
    })?;
    let store = file::open_directory(CWD, STORE_BELOW).map_err(Error::file("open", STORE_BELOW))?;
    fill(&payload, &store, context)?;
    if let (Some(drivers), root::Drivers::Directory) = (drivers, in_root) {
        let directory = file::open_directory(CWD, root::OPENGL_DRIVER);
        directory
            .and_then(|directory| drivers.write(directory, context))
            .map_err(Error::file("write", root::OPENGL_DRIVER))?;
    }
    root.bind(c".", log)?;
    if on_host == HostStore::InUse {
        cover(STORE_BELOW, STORE_BELOW, on_host, log)?;
    }
    rustix::fs::chmodat(CWD, c".", DIRECTORY_PERMISSIONS, AtFlags::empty())
        .and_then(|()| rustix::process::chroot(c"."))
        .map_err(refused(Step::Mount, "/"))?;
    here.restore()?;
    Ok(Visible::Mounted { has_drivers })
}

/// Returns what `/run/opengl-driver` becomes: links to the host's drivers are written there.
#[cold]
fn drivers_in_root(context: &Context<'_>, drivers: &Drivers) -> root::Drivers {
    if !drivers.are_looked_for() {
        return root::Drivers::OfHost;
    }
    let link = match drivers.are_of_host() {
        true => None,
        false => drivers.in_store(context).and_then(|target| CString::new(target).ok()),
    };
    link.map_or(root::Drivers::Directory, root::Drivers::Link)
}

/// Writes the store paths that a start needs to the directory where they stay.
fn fill(payload: &Payload<'_>, store: &OwnedFd, context: &Context<'_>) -> Result<(), Error> {
    let sections = payload.sections()?;
    let index = sections.index()?;
    let names = sections.names(context.subset);
    let needed = room(&index, &names);
    if let Some(limit) = limit::control_group()
        && needed.bytes > limit
    {
        return Err(Error::Memory(MemoryLimit::ControlGroup(limit)));
    }
    context.log.debug(format_args!("unpacking {} to memory", Size(needed.bytes)));
    let destination = Destination { directory: store.as_fd(), names: &names, rewriter: None };
    unpack::unpack(payload, &sections, &index, &destination, &Progress::start())
        .map_err(|error| error.out_of_space(|| Some(needed), "memory"))
}
