//! NVIDIA's driver on the host: its libraries must be of the version of the kernel's module.
//!
//! Where they are: as libnvidia-container looks for them, and where distributions and WSL put them.

use alloc::collections::BinaryHeap;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;

use rustix::fd::OwnedFd;
use rustix::fs::{Access, CWD, OFlags, Stat};

use super::library::Library;
use super::linker_cache;
use crate::error::Shown;
use crate::system::file::{self, Permissions};
use crate::system::log::Log;

/// A driver of the host.
#[derive(Debug)]
pub(super) struct Nvidia {
    /// The version of the kernel's module; empty where only the place says which libraries are the driver's.
    pub(super) version: String,
    /// The directories that have its libraries.
    places: Vec<Vec<u8>>,
}

/// Files that say which version the kernel's module has.
const MODULE: &CStr = c"/sys/module/nvidia/version";
const PROC: &CStr = c"/proc/driver/nvidia/version";

const TRIPLET: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-linux-gnu"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux-gnu"
} else {
    "riscv64-linux-gnu"
};

/// Directories in which all libraries are of the driver: of WSL, and of Jetson's Linux for Tegra below that of the
/// triplet.
const WSL: &str = "/usr/lib/wsl/lib";
const TEGRA: [&str; 3] = ["tegra", "tegra-egl", "nvidia"];

/// Directories where distributions, NixOS and container engines put the libraries.
const DIRECTORIES: [&str; 7] = [
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/lib",
    "/usr/lib/nvidia",
];

/// Libraries of which every installation has one.
const MAIN: [&str; 4] = ["libcuda", "libnvidia-ml", "libGLX_nvidia", "libEGL_nvidia"];

/// Where other files of the driver are, in the layout of `/run/opengl-driver`; which of them are NVIDIA's says the name.
const SETTINGS: [&str; 5] = [
    "share/glvnd/egl_vendor.d",
    "share/egl/egl_external_platform.d",
    "share/vulkan/icd.d",
    "share/vulkan/implicit_layer.d",
    "etc/OpenCL/vendors",
];

/// The directories of the host in which these are.
const ABOVE: [&str; 4] = ["/etc/", "/usr/share/", "/usr/local/share/", "/run/opengl-driver/"];

/// What no driver has of its own: it is the bundle's.
const NEVER: [&[u8]; 12] = [
    b"ld-",
    b"libc.",
    b"libc-",
    b"libm.",
    b"libdl.",
    b"librt.",
    b"libpthread",
    b"libstdc++",
    b"libgcc_s",
    b"libX",
    b"libxcb",
    b"libwayland",
];

/// Bytes of the longest file name on Linux, without its NUL.
const NAME_LEN: usize = 255;

/// Directories below one of the driver's that have libraries, too.
const BELOW: [&str; 2] = ["vdpau", "gbm"];

/// Why there is no driver of the host.
#[derive(Debug)]
pub(super) enum Missing {
    /// The kernel has no module.
    Module,
    /// The kernel's module has this version, but there are no libraries of it.
    Libraries(Shown),
}

impl fmt::Display for Nvidia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        let places: Vec<_> = self.places.iter().map(|place| Shown::from(&**place)).collect();
        places.iter().enumerate().try_for_each(|(number, place)| {
            write!(f, "{}{place}", if number == 0 { ", in " } else { " and " })
        })
    }
}

/// Links of a driver: paths below the directory of links, and their targets.
pub(super) type Links = Vec<(Vec<u8>, Vec<u8>)>;

impl Nvidia {
    /// Looks for the driver.
    pub(super) fn find(glibc: u16) -> Result<Nvidia, Missing> {
        let fits = |path: &[u8]| read(path).is_some_and(|library| library.glibc <= glibc);
        if fits(&joined(WSL, "libcuda.so.1")) {
            return Ok(Nvidia { version: String::new(), places: [WSL.into()].into() });
        }
        let usual = alloc::format!("/usr/lib/{TRIPLET}");
        let tegra = TEGRA.map(|name| joined(&usual, name));
        if tegra.iter().any(|place| fits(&[place, &b"/libcuda.so.1"[..]].concat())) {
            let places = tegra.into_iter().filter(|place| exists(place)).collect();
            return Ok(Nvidia { version: String::new(), places });
        }
        let version = version().ok_or(Missing::Module)?;
        let major = version.split('.').next().unwrap_or_default();
        let mut candidates: Vec<Vec<u8>> =
            DIRECTORIES.iter().map(|path| path.as_bytes().into()).collect();
        candidates.extend([usual.as_bytes().into(), joined(&usual, "nvidia/current")]);
        candidates.push(alloc::format!("/usr/lib/nvidia-{major}").into_bytes());
        let has_one = |place: &Vec<u8>| {
            let path = |name| [place, alloc::format!("/{name}.so.{version}").as_bytes()].concat();
            MAIN.iter().any(|name| fits(&path(name)))
        };
        candidates.retain(has_one);
        let listed = linker_cache::find(alloc::format!(".so.{version}").as_bytes());
        candidates.extend(listed.into_iter().filter_map(|path| {
            let end = path.iter().rposition(|byte| *byte == b'/')?;
            Some(path[..end].into())
        }));
        let mut seen = Vec::new();
        candidates.retain(|place| {
            let Ok(Stat { st_dev, st_ino, .. }) = rustix::fs::stat(&**place) else { return false };
            let is_new = !seen.contains(&(st_dev, st_ino));
            seen.push((st_dev, st_ino));
            is_new
        });
        match candidates.iter().any(has_one) {
            true => Ok(Nvidia { version, places: candidates }),
            false => Err(Missing::Libraries(version.as_str().into())),
        }
    }

    /// Returns the name of the directory of links: another one if the version, the places or what is in them changes.
    pub(super) fn name(&self, glibc: u16) -> String {
        let mut parts: Vec<Vec<u8>> = [glibc.to_le_bytes().into()].into();
        let settings = ABOVE.iter().flat_map(|above| {
            SETTINGS.map(|below| alloc::format!("{above}{}", base(above, below)).into_bytes())
        });
        let below = self
            .places
            .iter()
            .flat_map(|place| BELOW.map(|below| [place, &b"/"[..], below.as_bytes()].concat()));
        for directory in self.places.iter().cloned().chain(below).chain(settings) {
            if let Ok(Stat { st_mtime, st_mtime_nsec, .. }) = rustix::fs::stat(&*directory) {
                parts.push(directory);
                parts.push(alloc::format!("{st_mtime}.{st_mtime_nsec}").into_bytes());
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let sum = u64::from_le_bytes(format::checksum(&parts));
        let version = if self.version.is_empty() { "host" } else { &*self.version };
        alloc::format!("{version}-{sum:016x}")
    }

    /// Collects the driver's libraries and other files. Libraries that need a newer glibc 2 than the bundle's are left
    /// out.
    pub(super) fn links(&self, glibc: u16, log: Log) -> Links {
        let mut links = Links::new();
        for place in &self.places {
            self.add_libraries(place, "lib/", glibc, log, &mut links);
            for below in BELOW {
                let place = [place, &b"/"[..], below.as_bytes()].concat();
                self.add_libraries(&place, &alloc::format!("lib/{below}/"), glibc, log, &mut links);
            }
        }
        for (above, below) in ABOVE.iter().flat_map(|above| SETTINGS.map(|below| (*above, below))) {
            let directory = alloc::format!("{above}{}", base(above, below)).into_bytes();
            for name in names(&directory) {
                let name = name.to_bytes();
                if name.windows(6).any(|window| window == b"nvidia") {
                    add(
                        &mut links,
                        [below.as_bytes(), b"/", name].concat(),
                        [&directory, &b"/"[..], name].concat(),
                    );
                }
            }
        }
        links
    }

    fn add_libraries(&self, place: &[u8], into: &str, glibc: u16, log: Log, links: &mut Links) {
        for name in names(place) {
            if !self.has(name.to_bytes()) {
                continue;
            }
            let path = [place, b"/", name.to_bytes()].concat();
            let Some(library) = read(&path) else { continue };
            if library.glibc > glibc {
                let (shown, needed) = (Shown::from(&*path), library.glibc);
                log.debug(format_args!(
                    "graphics: {shown} needs glibc 2.{needed}; the bundle has 2.{glibc}"
                ));
                continue;
            }
            let link = |name: &[u8]| [into.as_bytes(), name].concat();
            add(links, link(name.to_bytes()), path.clone());
            let soname = library.soname.filter(|soname| is_of_driver(soname));
            if let Some(soname) = soname {
                if soname.starts_with(b"libcuda.so") {
                    // Programs open it by this name, too.
                    add(links, link(b"libcuda.so"), path.clone());
                }
                if soname.starts_with(b"libnvidia-allocator.so") {
                    add(links, b"lib/gbm/nvidia-drm_gbm.so".into(), path.clone());
                }
                add(links, link(&soname), path);
            }
        }
    }

    /// Whether a library belongs to the driver, by its name.
    fn has(&self, name: &[u8]) -> bool {
        if !is_of_driver(name) {
            return false;
        }
        if self.version.is_empty() {
            return true;
        }
        let version = alloc::format!(".so.{}", self.version);
        // EGL's platforms have versions of their own.
        name.ends_with(version.as_bytes()) || name.starts_with(b"libnvidia-egl-")
    }
}

/// Whether a library can have this name in a directory of links: it is not one of the bundle's.
fn is_of_driver(name: &[u8]) -> bool {
    name.starts_with(b"lib")
        && name.windows(3).any(|window| window == b".so")
        && name.len() <= NAME_LEN
        && !name.contains(&b'/')
        && !NEVER.iter().any(|begin| name.starts_with(begin))
}

/// The directory below one of [`ABOVE`] that has what is at `below` in the layout of `/run/opengl-driver`.
fn base<'a>(above: &str, below: &'a str) -> &'a str {
    match above {
        "/run/opengl-driver/" => below,
        _ => below.split_once('/').map_or(below, |(_, rest)| rest),
    }
}

fn add(links: &mut Links, path: Vec<u8>, target: Vec<u8>) {
    // The first place comes first.
    if links.iter().all(|(other, _)| *other != path) {
        links.push((path, target));
    }
}

/// Returns the version of the kernel's module.
fn version() -> Option<String> {
    let text = file::read(CWD, MODULE, 4096).or_else(|_| file::read(CWD, PROC, 4096)).ok()?;
    parse(&text)
}

/// Returns the first word that is a version, such as `550.54.14`: /proc has words before it.
fn parse(text: &[u8]) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    core::str::from_utf8(text).ok()?.split_whitespace().find(is_version).map(String::from)
}

fn joined(directory: &str, name: &str) -> Vec<u8> {
    alloc::format!("{directory}/{name}").into_bytes()
}

fn exists(path: &[u8]) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}

fn read(path: &[u8]) -> Option<Library> {
    Library::read(&open(path)?)
}

pub(super) fn open(path: &[u8]) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    file::open(CWD, &CString::new(path).ok()?, flags, Permissions::empty()).ok()
}

/// Returns the names in a directory, sorted; none if it cannot be listed.
pub(super) fn names(directory: &[u8]) -> Vec<CString> {
    let names = open(directory).and_then(|directory| file::names(directory).ok());
    names.unwrap_or_default().into_iter().collect::<BinaryHeap<CString>>().into_sorted_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        for (text, expected) in [
            ("550.54.14\n", Some("550.54.14")),
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc version 12.2.0",
                Some("535.183.01"),
            ),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.42.02  Release Build",
                Some("555.42.02"),
            ),
            ("390.157", Some("390.157")),
            ("", None),
            ("none", None),
            ("1..2 ../3 a.b", None),
        ] {
            assert_eq!(parse(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_the_drivers_libraries_are_taken() {
        let driver = |version: &str| Nvidia { version: version.into(), places: Vec::new() };
        let (exact, place) = (driver("550.54.14"), driver(""));
        for (name, of_version, of_place) in [
            ("libcuda.so.550.54.14", true, true),
            ("libcuda.so.1", false, true),
            ("libcuda.so.550.54.1", false, true),
            ("libnvidia-egl-wayland.so.1.1.13", true, true),
            ("libc.so.6", false, false),
            ("libstdc++.so.6.0.30", false, false),
            ("libX11.so.550.54.14", false, false),
            ("libwayland-client.so.0", false, false),
            ("nvidia.ko", false, false),
            ("libcuda.a", false, false),
        ] {
            let found = (exact.has(name.as_bytes()), place.has(name.as_bytes()));
            assert_eq!(found, (of_version, of_place), "{name}");
        }
    }

    #[test]
    fn settings_are_where_each_directory_has_them() {
        assert_eq!(base("/etc/", "share/vulkan/icd.d"), "vulkan/icd.d");
        assert_eq!(base("/usr/share/", "share/glvnd/egl_vendor.d"), "glvnd/egl_vendor.d");
        assert_eq!(base("/etc/", "etc/OpenCL/vendors"), "OpenCL/vendors");
        assert_eq!(base("/run/opengl-driver/", "etc/OpenCL/vendors"), "etc/OpenCL/vendors");
    }
}
