//! The host's own store: whether the closure is there already, and how it gets there if nothing else works.

use alloc::string::String;
use core::ffi::CStr;
use core::fmt::Write as _;

use format::{STORE_DIR, StorePath};
use rustix::fd::AsFd;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::cache::State;
use crate::error::{Error, Impossible, Shown};
use crate::file::ExactModes;
use crate::log::{self, Log};
use crate::payload::{Bundle, Payload};
use crate::settings::variable;
use crate::store::Store;
use crate::{cache, file, sys};

/// Where Nix keeps what it knows of the store.
const DATABASE: &str = "/nix/var/nix/db";

/// Whether the host's own store has every store path of the closure, from somebody who may choose what runs.
///
/// Nix makes a store path only when all that it refers to is there, and deletes it before that. So where the
/// store is Nix's, the descriptor's store paths answer for the others. Elsewhere (an image that somebody
/// copied store paths to) each is looked for, in the manifest's order.
///
/// # Errors
///
/// If one is missing, or somebody else could have put it there.
pub fn find(bundle: &Bundle, environment: &[&CStr]) -> Result<Store, Impossible> {
    let owners = Owners::trusted(environment);
    check(CWD, STORE_DIR, &owners, Sharing::Sticky)?;
    // On most hosts this is the end of it.
    let first = &bundle.descriptor.paths[0].path;
    check(CWD, &alloc::format!("{STORE_DIR}/{first}"), &owners, Sharing::None)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let store = file::open(CWD, c"/nix/store", flags, Mode::empty())
        .map_err(|_| Impossible::NotOnHost(STORE_DIR.into()))?;
    // One text for all names: there can be thousands.
    let mut name = String::new();
    let mut check = |path: &StorePath| {
        name.clear();
        // Writing to a string cannot fail.
        let _ = write!(name, "{path}");
        check(&store, &name, &owners, Sharing::None)
    };
    bundle.descriptor.paths.iter().try_for_each(|key| check(&key.path))?;
    if self::check(CWD, DATABASE, &owners, Sharing::None).is_err() {
        let payload = Payload::open_own(&bundle.descriptor)?;
        payload.manifest()?.paths.iter().try_for_each(|packed| check(&packed.path))?;
    }
    // An empty directory can have a store path's name.
    for entry in &bundle.descriptor.entries {
        let mut program = Store::Nix.directory(&bundle.descriptor.paths[usize::from(entry.path)]);
        program.extend_from_slice(&entry.program);
        if rustix::fs::access(&*program, Access::EXEC_OK).is_err() {
            return Err(Impossible::NotOnHost(program.as_slice().into()));
        }
    }
    Ok(Store::Nix)
}

/// The users who may choose what runs.
struct Owners([u32; 3]);

/// What the kernel shows in place of an owner who has no number in this user namespace: proc_sys_fs(5).
pub(crate) const OVERFLOW_UID: u32 = 65_534;

impl Owners {
    /// Root and this user; in a build of Nix also whoever set up its sandbox, where root has no number.
    fn trusted(environment: &[&CStr]) -> Owners {
        let user = sys::user();
        let is_build = variable(environment, "NIX_STORE") == Some(STORE_DIR.as_bytes());
        Owners([0, user, if is_build { OVERFLOW_UID } else { user }])
    }
}

/// Who may write to a directory, apart from its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    None,
    /// Others, who cannot take away what is not theirs.
    Sticky,
}

/// Checks that a name is there, and that only its trusted owners can have put it there.
fn check(at: impl AsFd, name: &str, owners: &Owners, sharing: Sharing) -> Result<(), Impossible> {
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
pub fn install(bundle: &Bundle, environment: &[&CStr], log: Log) -> Result<Store, Impossible> {
    let _modes = ExactModes::begin();
    let mode = Mode::from_raw_mode(0o755);
    let nix = file::ensure_directory(CWD, c"/nix", mode).map_err(Error::file("create", "/nix"))?;
    check(CWD, "/nix", &Owners::trusted(environment), Sharing::None)?;
    let is_there =
        |name| rustix::fs::accessat(&nix, name, Access::EXISTS, AtFlags::empty()).is_ok();
    if is_there(c"store") && !is_there(LOCK) {
        return Err(Error::file("create", STORE_DIR)(Errno::EXIST).into());
    }
    let lock = file::lock(&nix, LOCK, "/nix").map_err(Error::file("lock", "/nix"))?;
    let open = |name| file::ensure_directory(&nix, name, mode).map_err(Error::file("create", name));
    let (store, work) = (open(c"store")?, open(WORK)?);
    // Whoever made what is in it is gone: we have the lock.
    cache::remove::contents(&work)?;

    let payload = Payload::open_own(&bundle.descriptor)?;
    let contents = payload.contents()?;
    log::say(format_args!("unpacking to {STORE_DIR}, since nothing can be mounted there"));
    let store = cache::store::Store::host(store, &contents.manifest);
    let filled = store.missing().and_then(|missing| {
        store.fill(&payload, &contents, &missing, State::Settled, (&work, b"/nix"), log)
    });
    cache::remove::contents(&work)?;
    // An empty directory does no harm.
    let _ = rustix::fs::unlinkat(&nix, WORK, AtFlags::REMOVEDIR);
    filled?;
    drop(lock);
    find(bundle, environment)
}
