//! `/run/opengl-driver`: where NixOS has its drivers, and where programs that Nix built look for them.

use alloc::vec::Vec;

use rustix::fs::{Access, Stat};

use super::library::Library;
use super::nvidia::{names, open};
use crate::error::Shown;

/// The directory.
pub(crate) const OPENGL_DRIVER: &str = "/run/opengl-driver";

/// Libraries to look at, at most: a desktop's drivers and all that they need are about a hundred.
const MOST: usize = 1024;

/// What is wrong with the directory.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is not there, or has no libraries.
    Absent,
    /// A library needs a newer glibc 2 than the bundle's: that one, and the minor version.
    TooNew(Shown, u16),
}

/// Checks that programs with this glibc 2 can load all drivers there, and what they need.
pub(super) fn check(glibc: u16) -> Result<(), Unfit> {
    let lib = alloc::format!("{OPENGL_DRIVER}/lib").into_bytes();
    if rustix::fs::access(&*lib, Access::EXISTS).is_err() {
        return Err(Unfit::Absent);
    }
    let mut seen = Vec::new();
    let dri = [&lib, &b"/dri"[..]].concat();
    let mut pending: Vec<Vec<u8>> = [lib, dri]
        .iter()
        .flat_map(|directory| {
            let path = |name: alloc::ffi::CString| [directory, &b"/"[..], name.to_bytes()].concat();
            names(directory).into_iter().map(path)
        })
        .collect();
    let mut found = false;
    while let Some(path) = pending.pop() {
        let Some(file) = open(&path) else { continue };
        let Ok(Stat { st_dev, st_ino, .. }) = rustix::fs::fstat(&file) else { continue };
        if seen.contains(&(st_dev, st_ino)) || seen.len() >= MOST {
            continue;
        }
        seen.push((st_dev, st_ino));
        let Some(library) = Library::read(&file) else { continue };
        // A C library needs itself; it is the bundle's that is loaded.
        if is_of_glibc(&path) {
            continue;
        }
        if library.glibc > glibc {
            return Err(Unfit::TooNew(path.as_slice().into(), library.glibc));
        }
        found = true;
        let directories =
            library.runpath.split(|byte| *byte == b':').filter(|path| path.starts_with(b"/"));
        for directory in directories {
            let path = |name: &Vec<u8>| [directory, b"/", name].concat();
            pending.extend(library.needed.iter().map(path));
        }
    }
    if found { Ok(()) } else { Err(Unfit::Absent) }
}

/// Whether a library is a part of glibc.
fn is_of_glibc(path: &[u8]) -> bool {
    const PARTS: [&[u8]; 7] = [
        b"ld-linux",
        b"libc.so",
        b"libm.so",
        b"libdl.so",
        b"librt.so",
        b"libpthread.so",
        b"libresolv.so",
    ];
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    PARTS.iter().any(|part| name.starts_with(part))
}
