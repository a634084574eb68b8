//! Makes a new root for hosts without `/nix/store`, since an ordinary user cannot create that
//! directory.

use alloc::collections::BinaryHeap;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, FileType, OFlags, Stat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_move};

use super::mount::{HostStore, STORE_BELOW, cover, refused, set_read_only};
use crate::cache::directory::{Cache, ROOTS};
use crate::cache::published;
use crate::error::refusal::{Refusal, Step};
use crate::error::{Error, Impossible, Shown};
use crate::system::call;
use crate::system::file::{self, Permissions};
use crate::system::log::Log;
use crate::unpack::node::DIRECTORY_PERMISSIONS;

/// A file, directory or link in the host's top level, or in its `/nix`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// The path without the first `/`.
    path: CString,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    /// A link; the new root gets a copy.
    Link(CString),
    /// Any other file; the new root gets an empty file to mount it on.
    File,
    /// A directory of the new root itself.
    New,
}

/// What a new root has at `/run/opengl-driver`.
#[derive(Clone, Debug)]
pub(crate) enum Drivers {
    /// What the host has.
    OfHost,
    /// A link to this path.
    Link(CString),
    /// An empty directory.
    Directory,
}

/// The content of a new root: the host's top level and its `/nix`.
pub(crate) struct Root(Vec<Item>);

impl Root {
    /// Lists the host's top level and its `/nix`; for drivers of its own, also its `/run`.
    pub(crate) fn list(drivers: &Drivers) -> Result<Root, Impossible> {
        let list = || {
            let root = file::open(CWD, c"/", LISTED, Permissions::empty())?;
            let kind = match drivers {
                Drivers::OfHost => return list(root).map(Root),
                Drivers::Link(target) => Kind::Link(target.clone()),
                Drivers::Directory => Kind::New,
            };
            list_with_drivers(root.as_fd(), kind).map(Root)
        };
        Ok(list().map_err(refused(Step::Mount, "a new root"))?)
    }

    /// Finds or makes the new root's directory in the cache; returns its path there.
    pub(crate) fn prepare(&self, cache: &Cache) -> Result<CString, Impossible> {
        let name = self.name();
        let path = path(&name);
        // Removing the write permission is the last step of making it.
        let is_final = |stat: Stat| {
            stat.st_uid == call::user()
                && stat.st_mode & 0o777 == DIRECTORY_PERMISSIONS.as_raw_mode()
        };
        let stat = rustix::fs::statat(&cache.directory, &*path, AtFlags::SYMLINK_NOFOLLOW);
        if !stat.is_ok_and(is_final) {
            published::publish(cache, ROOTS, &name, |directory| self.make(directory))?;
        }
        Ok(path)
    }

    /// Returns the name in the cache: a checksum of the host's names, which only root can choose.
    fn name(&self) -> String {
        let mut parts = Vec::new();
        for Item { path, kind } in &self.0 {
            let (kind, target) = match kind {
                Kind::Directory => (&b"\0directory\0"[..], &b""[..]),
                Kind::Link(target) => (&b"\0link\0"[..], target.to_bytes_with_nul()),
                Kind::File => (&b"\0file\0"[..], &b""[..]),
                Kind::New => (&b"\0new\0"[..], &b""[..]),
            };
            parts.extend([path.to_bytes(), kind, target]);
        }
        alloc::format!("{:016x}", u64::from_le_bytes(format::checksum(&parts)))
    }

    /// Checks the copy in the cache. If it was altered, renames it: the next start makes a new one.
    ///
    /// Returns whether it was altered.
    pub(crate) fn verify(&self, cache: &Cache) -> Result<bool, Error> {
        let name = self.name();
        let is_as_made = match file::open_directory(&cache.directory, &path(&name)) {
            Err(Errno::NOENT) => true,
            Err(_) => false,
            Ok(directory) => {
                let nix = file::open_directory(&directory, c"nix");
                nix.and_then(|nix| file::open_directory(nix, c"store")).is_ok()
                    && list(&directory).is_ok_and(|items| items == self.0)
            }
        };
        if !is_as_made {
            published::retire(cache, ROOTS, &name)?;
        }
        Ok(!is_as_made)
    }

    /// Makes `nix/store`, and an empty file or directory for each name, in a new directory.
    pub(crate) fn make(&self, directory: impl AsFd) -> Result<(), Errno> {
        let directory = directory.as_fd();
        let writable = Permissions::from_raw_mode(0o755);
        rustix::fs::mkdirat(directory, c"nix", writable)?;
        rustix::fs::mkdirat(directory, STORE_BELOW, writable)?;
        for Item { path, kind } in &self.0 {
            match kind {
                Kind::Directory => rustix::fs::mkdirat(directory, &**path, DIRECTORY_PERMISSIONS)?,
                Kind::New => rustix::fs::mkdirat(directory, &**path, writable)?,
                Kind::Link(target) => rustix::fs::symlinkat(&**target, directory, &**path)?,
                Kind::File => {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                    file::open(directory, path, flags, Permissions::from_raw_mode(0o444))?;
                }
            }
        }
        if self.0.iter().any(|item| item.kind == Kind::New) {
            rustix::fs::chmodat(directory, RUN, DIRECTORY_PERMISSIONS, AtFlags::empty())?;
        }
        rustix::fs::chmodat(directory, c"nix", DIRECTORY_PERMISSIONS, AtFlags::empty())
    }

    /// Mounts the host's files at their places below `at`.
    ///
    /// # Errors
    ///
    /// If an existing file cannot be mounted: without it the program would see a different host.
    pub(crate) fn bind(&self, at: &CStr, log: Log) -> Result<(), Refusal> {
        for Item { path, kind } in &self.0 {
            let source = joined(c"", path);
            let target = joined(at, path);
            let mounted = match kind {
                Kind::Link(_) | Kind::New => continue,
                // The mounts below it are locked together (mount_namespaces(7)), so the kernel
                // allows only a recursive bind mount.
                Kind::Directory => mount_bind_recursive(&*source, &*target),
                Kind::File => mount_bind(&*source, &*target),
            };
            match mounted {
                Ok(()) => {}
                // It was removed since it was listed, cannot be bind-mounted, or its file server is
                // down. Most programs never use it.
                Err(
                    errno @ (Errno::NOENT
                    | Errno::NOTDIR
                    | Errno::INVAL
                    | Errno::NOTCONN
                    | Errno::STALE
                    | Errno::HOSTDOWN
                    | Errno::TIMEDOUT),
                ) => {
                    let source = Shown::from(&*source);
                    log.debug(format_args!(
                        "{source} is not in the new root: {}",
                        call::message(errno)
                    ));
                }
                Err(errno) => return Err(refused(Step::Mount, &*source)(errno)),
            }
        }
        Ok(())
    }

    /// Mounts the host's files and the store directory below `path`, and makes that this process's
    /// root.
    ///
    /// Both paths are relative to the working directory, which is the cache. The new root is moved
    /// onto `/` before the chroot, so that the process stays at the root of its mount namespace:
    /// after a chroot alone, the kernel would refuse new user namespaces to it.
    pub(crate) fn enter(
        &self,
        path: &CStr,
        store: &CStr,
        on_host: HostStore,
        log: Log,
    ) -> Result<(), Refusal> {
        mount_bind(path, path).map_err(refused(Step::Mount, "a new root"))?;
        self.bind(path, log)?;
        cover(store, &joined(path, STORE_BELOW), on_host, log)?;
        let move_root = || {
            rustix::process::chdir(path)?;
            if call::is_root() {
                // Files that root creates there would be in the cache, not on the host.
                set_read_only(c".")?;
            }
            mount_move(c".", c"/")?;
            rustix::process::chroot(c".")
        };
        move_root().map_err(refused(Step::Mount, "/"))
    }

    /// As [`Root::enter`], with a new root in memory: for a cache to which nothing may be written.
    #[cold]
    pub(crate) fn enter_in_memory(
        &self,
        store: &CStr,
        on_host: HostStore,
        log: Log,
    ) -> Result<(), Refusal> {
        mount_memory()?;
        let new = file::open(CWD, ABOVE, OFlags::PATH | OFlags::DIRECTORY, Permissions::empty());
        new.and_then(|new| self.make(new)).map_err(refused(Step::Mount, "a new root"))?;
        cover(store, &joined(ABOVE, STORE_BELOW), on_host, log)?;
        self.bind(ABOVE, log)?;
        let move_root = || {
            rustix::process::chdir(ABOVE)?;
            rustix::fs::chmodat(CWD, c".", DIRECTORY_PERMISSIONS, AtFlags::empty())?;
            if call::is_root() {
                // Files that root creates there would be in memory, not on the host.
                set_read_only(c".")?;
            }
            rustix::process::chroot(c".")
        };
        move_root().map_err(refused(Step::Mount, "/"))
    }
}

/// Mounts an empty file system in memory onto the root directory.
///
/// The root of this process is still the file system below it; its `..` is the new one.
pub(crate) fn mount_memory() -> Result<(), Refusal> {
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount(c"packed", c"/", c"tmpfs", flags, c"mode=0755")
        .map_err(refused(Step::Mount, "a file system in memory"))
}

/// The path of what is mounted onto the root directory.
const ABOVE: &CStr = c"/..";

fn joined(directory: &CStr, name: &CStr) -> CString {
    CString::new([directory.to_bytes(), b"/", name.to_bytes()].concat()).unwrap_or_default()
}

/// Returns the path of a new root in the cache.
fn path(name: &str) -> CString {
    CString::new(alloc::format!("roots/{name}")).unwrap_or_default()
}

/// The flags for opening a directory to list it.
const LISTED: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// As [`list`], with a `/run` of the new root's own, in which everything is mounted but what is at `/run/opengl-driver`.
#[cold]
fn list_with_drivers(root: BorrowedFd<'_>, kind: Kind) -> Result<Vec<Item>, Errno> {
    let mut items: BinaryHeap<Item> = list(root)?.into();
    match file::open(root, RUN, LISTED, Permissions::empty()) {
        Ok(run) => list_below(run.as_fd(), b"run/", &mut items)?,
        Err(Errno::NOENT | Errno::NOTDIR) => {}
        Err(errno) => return Err(errno),
    }
    items.retain(|item| ![RUN, OPENGL_DRIVER].contains(&&*item.path));
    items.push(Item { path: RUN.into(), kind: Kind::New });
    items.push(Item { path: OPENGL_DRIVER.into(), kind });
    Ok(items.into_sorted_vec())
}

/// The paths of `/run` and `/run/opengl-driver` below a root.
const RUN: &CStr = c"run";
pub(crate) const OPENGL_DRIVER: &CStr = c"run/opengl-driver";

fn list(root: impl AsFd) -> Result<Vec<Item>, Errno> {
    let mut items = BinaryHeap::new();
    let root = root.as_fd();
    list_below(root, b"", &mut items)?;
    let nix = file::open(root, c"nix", LISTED, Permissions::empty());
    match nix.and_then(|nix| list_below(nix.as_fd(), b"nix/", &mut items)) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
        Err(errno) => return Err(errno),
    }
    Ok(items.into_sorted_vec())
}

/// Lists a root directory, or `nix` in it, without `nix` and `nix/store` themselves.
fn list_below(
    directory: BorrowedFd<'_>,
    prefix: &[u8],
    items: &mut BinaryHeap<Item>,
) -> Result<(), Errno> {
    file::list(directory, |name, file_type| {
        let path = [prefix, name.to_bytes()].concat();
        if matches!(&*path, b"nix" | b"nix/store") {
            return Ok(());
        }
        items.push(Item {
            path: CString::new(path).map_err(|_| Errno::INVAL)?,
            kind: kind(directory, name, file_type)?,
        });
        Ok(())
    })
}

fn kind(directory: BorrowedFd<'_>, name: &CStr, file_type: FileType) -> Result<Kind, Errno> {
    let file_type = match file_type {
        // Some file systems do not give the type in the listing.
        FileType::Unknown => {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
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
