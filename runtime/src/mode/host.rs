//! Mode `host`: uses the host's own store, if it has the whole closure.

use alloc::string::String;
use core::fmt::Write as _;

use format::{STORE_DIR, StorePath};
use rustix::fd::AsFd;
use rustix::fs::{Access, AtFlags, CWD, FileType, OFlags};

use super::visible::Visible;
use crate::context::Context;
use crate::error::{Impossible, Shown};
use crate::payload::Payload;
use crate::settings::variable;
use crate::system::call::{self, OVERFLOW_UID};
use crate::system::file::{self, Permissions};

/// Nix's database of the store.
const DATABASE: &str = "/nix/var/nix/db";

/// Checks that the host's own store has every store path of the closure, from a user who may choose
/// what runs.
///
/// Nix creates a store path after everything that it refers to, and deletes it before. So in a
/// store with Nix's database, the store paths in the descriptor imply all others. In a store
/// without it (an image into which store paths were copied), every store path that the entry needs is
/// looked up, in the manifest's order.
///
/// # Errors
///
/// If a store path is missing, or another user could have put it there.
pub(super) fn find(context: &Context<'_>) -> Result<Visible, Impossible> {
    let bundle = context.bundle;
    let owners = Owners::trusted(context);
    check(CWD, STORE_DIR, &owners, Sharing::Sticky)?;
    let descriptor = &bundle.descriptor;
    // Look up one store path first: most hosts do not have it.
    let programs = || descriptor.entries.iter().filter(|entry| entry.subset == context.subset);
    let first = programs().next().map_or(0, |entry| usize::from(entry.path));
    let first = &descriptor.paths[first].path;
    check(CWD, &alloc::format!("{STORE_DIR}/{first}"), &owners, Sharing::None)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let store = file::open(CWD, c"/nix/store", flags, Permissions::empty())
        .map_err(|_| Impossible::NotOnHost(STORE_DIR.into()))?;
    // All names share one buffer: there can be thousands.
    let mut name = String::new();
    let mut check = |path: &StorePath| {
        name.clear();
        // Writing to a string cannot fail.
        let _ = write!(name, "{path}");
        check(&store, &name, &owners, Sharing::None)
    };
    if self::check(CWD, DATABASE, &owners, Sharing::None).is_ok() {
        descriptor.paths.iter().try_for_each(|key| check(&key.path))?;
    } else {
        let manifest = Payload::open_own(descriptor)?.manifest()?;
        let paths = manifest.paths.iter().enumerate();
        paths
            .filter(|(number, _)| manifest.is_in(context.subset, *number))
            .try_for_each(|(_, packed)| check(&packed.path))?;
    }
    // The store path can be an empty directory, so look for the programs too.
    for entry in programs() {
        let mut program = Visible::OnHost.directory(&descriptor.paths[usize::from(entry.path)]);
        program.extend_from_slice(&entry.program);
        if rustix::fs::access(&*program, Access::EXEC_OK).is_err() {
            return Err(Impossible::NotOnHost(program.as_slice().into()));
        }
    }
    Ok(Visible::OnHost)
}

/// The users who may choose what runs.
pub(super) struct Owners([u32; 3]);

impl Owners {
    /// Returns root and this user. In the sandbox of a Nix build, root has no number, and its files
    /// show the overflow user: that one is trusted there too.
    pub(super) fn trusted(context: &Context<'_>) -> Owners {
        let user = call::user();
        let is_build = variable(context.environment, "NIX_STORE") == Some(STORE_DIR.as_bytes());
        Owners([0, user, if is_build { OVERFLOW_UID } else { user }])
    }
}

/// Who may write to a directory, in addition to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// No other user.
    None,
    /// Other users, if the sticky bit keeps them from replacing files of others.
    Sticky,
}

/// Checks that a file exists, and that only a trusted user can have put it there.
pub(super) fn check(
    at: impl AsFd,
    name: &str,
    owners: &Owners,
    sharing: Sharing,
) -> Result<(), Impossible> {
    let path = || match name.starts_with('/') {
        true => Shown::from(name),
        false => alloc::format!("{STORE_DIR}/{name}").into(),
    };
    let Ok(stat) = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return Err(Impossible::NotOnHost(path()));
    };
    let is_link = FileType::from_raw_mode(stat.st_mode).is_symlink();
    let is_sticky = sharing == Sharing::Sticky && stat.st_mode & 0o1000 != 0;
    let is_shared = stat.st_mode & 0o022 != 0 && !is_link && !is_sticky;
    if owners.0.contains(&stat.st_uid) && !is_shared {
        Ok(())
    } else {
        Err(Impossible::ForeignStore(path()))
    }
}
