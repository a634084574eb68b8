//! A new root for hosts without `/nix/store`: an ordinary user cannot create that directory.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write as _;

use format::Digest;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{mount_bind, mount_bind_recursive, mount_move};

use super::refused;
use crate::cache::Cache;
use crate::error::Impossible;
use crate::file;
use crate::log::Log;
use crate::sys;
use crate::unpack::DIRECTORY_MODE;

/// Like the host's own top level, it is not to be written to.
const MODE: Mode = DIRECTORY_MODE;

/// A name of the host's top level, or of its `/nix`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// Its path without the first `/`.
    path: CString,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    /// A link, which is copied.
    Link(CString),
    /// Anything else: a file stands for it until it is mounted.
    File,
}

/// A directory that has an empty place for each name of the host's top level, and `nix/store`.
///
/// It is made once: its name in the cache is a digest of these names.
pub(super) struct Root {
    items: Vec<Item>,
    /// Its path in the cache.
    path: CString,
}

impl Root {
    /// Lists the host's top level and finds or makes the directory for it.
    pub(super) fn prepare(cache: &Cache) -> Result<Root, Impossible> {
        let items = list().map_err(|errno| refused("/", errno))?;
        let mut text = alloc::string::String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{items:?}");
        let name = alloc::format!("{}", Digest::of(text.as_bytes()));
        let path = CString::new(alloc::format!("roots/{name}")).unwrap_or_default();
        if file::open_directory(&cache.directory, &path).is_err() {
            cache
                .publish_root(&name, |directory| make(directory, &items))
                .map_err(|error| Impossible::Failed(error.into()))?;
        }
        Ok(Root { items, path })
    }

    /// Mounts the host's files and the store into the directory, and makes it this process's root.
    ///
    /// The working directory is the cache. Moving the new root onto `/` before the chroot leaves the
    /// process at the root of its mount namespace: in a plain chroot, the kernel would refuse it user
    /// namespaces of its own.
    pub(super) fn enter(self, store: &CStr, log: Log) -> Result<(), Impossible> {
        let at = |path: &CStr| {
            CString::new([self.path.to_bytes(), b"/", path.to_bytes()].concat()).unwrap_or_default()
        };
        mount_bind(&*self.path, &*self.path).map_err(|errno| refused(&*self.path, errno))?;
        for Item { path, kind } in &self.items {
            let source = CString::new([b"/", path.to_bytes()].concat()).unwrap_or_default();
            let mounted = match kind {
                Kind::Link(_) => continue,
                // What is mounted below is locked to it, so it cannot be left behind.
                Kind::Directory => mount_bind_recursive(&*source, &*at(path)),
                Kind::File => mount_bind(&*source, &*at(path)),
            };
            if let Err(errno) = mounted {
                // Gone since it was listed, or unbindable: most programs never look.
                let source = crate::error::Shown::from(&*source);
                log.debug(format_args!("{source} is missing: {}", sys::message(errno)));
            }
        }
        let target = at(c"nix/store");
        mount_bind(store, &*target).map_err(|errno| refused(&*target, errno))?;
        let move_root = || {
            rustix::process::chdir(&*self.path)?;
            mount_move(c".", c"/")?;
            rustix::process::chroot(c".")
        };
        move_root().map_err(|errno| refused("/", errno))
    }
}

fn list() -> Result<Vec<Item>, Errno> {
    let mut items = Vec::new();
    list_below(b"", &mut items)?;
    match list_below(b"nix/", &mut items) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
        Err(errno) => return Err(errno),
    }
    items.sort();
    Ok(items)
}

/// Lists `/` or `/nix/`, but for the names that are on the way to the store.
fn list_below(prefix: &[u8], items: &mut Vec<Item>) -> Result<(), Errno> {
    let path = CString::new([b"/", prefix].concat()).map_err(|_| Errno::INVAL)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = file::open(CWD, &path, flags, Mode::empty())?;
    file::list(&directory, |name, file_type| {
        let path = [prefix, name.to_bytes()].concat();
        if matches!(&*path, b"nix" | b"nix/store") {
            return Ok(());
        }
        items.push(Item {
            path: CString::new(path).map_err(|_| Errno::INVAL)?,
            kind: kind(&directory, name, file_type)?,
        });
        Ok(())
    })
}

fn kind(directory: &OwnedFd, name: &CStr, file_type: FileType) -> Result<Kind, Errno> {
    let file_type = match file_type {
        // Some file systems do not say it in the listing.
        FileType::Unknown => {
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            FileType::from_raw_mode(rustix::fs::statat(directory, name, flags)?.st_mode)
        }
        known => known,
    };
    Ok(match file_type {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link(rustix::fs::readlinkat(directory, name, Vec::new())?),
        _ => Kind::File,
    })
}

/// Fills a new directory with places for the items.
fn make(directory: &OwnedFd, items: &[Item]) -> Result<(), Errno> {
    let writable = Mode::from_raw_mode(0o755);
    rustix::fs::mkdirat(directory, c"nix", writable)?;
    rustix::fs::mkdirat(directory, c"nix/store", MODE)?;
    for Item { path, kind } in items {
        match kind {
            Kind::Directory => rustix::fs::mkdirat(directory, &**path, MODE)?,
            Kind::Link(target) => rustix::fs::symlinkat(&**target, directory, &**path)?,
            Kind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                file::open(directory, path, flags, Mode::from_raw_mode(0o444))?;
            }
        }
    }
    rustix::fs::chmodat(directory, c"nix", MODE, rustix::fs::AtFlags::empty())
}
