//! The host's own store: whether the closure is there already.

use alloc::string::String;

use format::STORE_DIR;
use rustix::fs::{Access, AtFlags, CWD, FileType};

use crate::error::Impossible;
use crate::payload::{Bundle, Payload};
use crate::store::Store;

/// Whether the host's own store has every store path of the closure, from somebody who may choose what runs.
///
/// Those that the entries are in are looked for first: where they are absent, that is all it takes.
///
/// # Errors
///
/// If one is missing, or somebody else could have put it there.
pub fn find(bundle: &Bundle) -> Result<Store, Impossible> {
    check(STORE_DIR.into(), Sharing::Sticky)?;
    for key in &bundle.descriptor.paths {
        check(alloc::format!("{STORE_DIR}/{}", key.path), Sharing::None)?;
    }
    let payload = Payload::open_own(&bundle.descriptor)?;
    for packed in &payload.manifest()?.paths {
        check(alloc::format!("{STORE_DIR}/{}", packed.path), Sharing::None)?;
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

/// Who may write to a directory, apart from its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    None,
    /// Others, who cannot take away what is not theirs.
    Sticky,
}

/// Checks that a path is there, and that only root or this user can have put it there.
fn check(path: String, sharing: Sharing) -> Result<(), Impossible> {
    let Ok(stat) = rustix::fs::statat(CWD, &*path, AtFlags::SYMLINK_NOFOLLOW) else {
        return Err(Impossible::NotOnHost(path.into()));
    };
    let is_link = FileType::from_raw_mode(stat.st_mode).is_symlink();
    let is_sticky = sharing == Sharing::Sticky && stat.st_mode & 0o1000 != 0;
    let is_shared = stat.st_mode & 0o022 != 0 && !is_link && !is_sticky;
    let is_owned = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    if is_owned && !is_shared { Ok(()) } else { Err(Impossible::ForeignStore(path.into())) }
}
