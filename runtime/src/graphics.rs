//! Graphics drivers: finds those of the host that fit the bundle, or takes the bundle's own.
//!
//! NVIDIA's libraries must be those of the host, since the kernel's module wants its own version of them; they need an
//! old glibc only. Mesa must be the bundle's: the host's is often built for a newer glibc, and every kernel has the
//! interface that it needs.

mod library;
mod linker_cache;
mod nixos;
mod nvidia;
mod variables;

use alloc::ffi::CString;
use alloc::vec::Vec;

use format::{Graphics, Interface, Mode, STORE_DIR};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use crate::cache::directory::{GRAPHICS, PRIVATE};
use crate::cache::place::{self, Absent};
use crate::cache::published;
use crate::context::Context;
use crate::error::{Error, NoDrivers};
use crate::settings::Choice;
use crate::system::file::{self, Permissions};
pub(crate) use nixos::OPENGL_DRIVER;
use nixos::Unfit;
use nvidia::{Missing, Nvidia};

/// The drivers for a start.
#[derive(Debug)]
pub struct Drivers {
    /// The host's, of which the bundle's programs cannot find all by themselves.
    host: Option<Nvidia>,
    /// The path of the directory of links to the host's, in the user's cache; in the mode `ram`, they can be in memory.
    pub(crate) links: Option<Vec<u8>>,
    /// The bundle's: an index into the descriptor's paths.
    pub(crate) bundled: Option<u16>,
    /// What the programs open drivers for.
    graphics: Graphics,
}

/// Finds drivers for the bundle; `None` if it needs none, or finds those of the host by itself.
///
/// # Errors
///
/// If the user chose drivers that are not there.
pub fn find(context: &Context<'_>) -> Result<Option<Drivers>, Error> {
    match context.bundle.descriptor.graphics {
        None => Ok(None),
        Some(graphics) => choose(context, graphics),
    }
}

#[cold]
#[inline(never)]
fn choose(context: &Context<'_>, graphics: Graphics) -> Result<Option<Drivers>, Error> {
    let log = context.log;
    let bundled = graphics.drivers;
    let log_bundled = || match bundled {
        Some(path) => {
            let path = &context.bundle.descriptor.paths[usize::from(path)].path;
            log.debug(format_args!("graphics: the bundle's drivers, {path}"));
        }
        None => log.debug(format_args!("graphics: no drivers: the bundle has none")),
    };
    match context.settings.graphics {
        Some(Choice::Off) => {
            log.debug(format_args!("graphics: off"));
            return Ok(None);
        }
        Some(Choice::Bundle) if bundled.is_none() => {
            return Err(Error::NoDrivers(NoDrivers::InBundle));
        }
        Some(Choice::Bundle) => {
            log_bundled();
            return Ok(Some(Drivers { host: None, links: None, bundled, graphics }));
        }
        Some(Choice::Host) | None => {}
    }
    let found = match graphics.glibc {
        None => Err(NoDrivers::WithoutGlibc),
        Some(glibc) => host(context, graphics, glibc),
    };
    // In memory, they are in the new root.
    let is_in_memory = context.settings.mode == Some(Mode::Ram) && are_looked_for(graphics);
    let found = found.and_then(|host| {
        let Some(host) = host else { return Ok(None) };
        let mut drivers = Drivers { host: Some(host), links: None, bundled, graphics };
        if !is_in_memory {
            drivers.links = Some(drivers.link(context).ok_or(NoDrivers::WithoutPlace)?);
        }
        Ok(Some(drivers))
    });
    match found {
        Ok(None) => {
            log.debug(format_args!("graphics: {OPENGL_DRIVER}"));
            Ok(None)
        }
        Ok(drivers) => Ok(drivers),
        Err(reason) if context.settings.graphics == Some(Choice::Host) => {
            Err(Error::NoDrivers(reason))
        }
        Err(reason) => {
            log.debug(format_args!("graphics: not the host's: {reason}"));
            log_bundled();
            Ok(bundled.map(|_| Drivers { host: None, links: None, bundled, graphics }))
        }
    }
}

/// Looks for the host's drivers; `None` if programs find them by themselves.
fn host(
    context: &Context<'_>,
    graphics: Graphics,
    glibc: u16,
) -> Result<Option<Nvidia>, NoDrivers> {
    let log = context.log;
    match nixos::check(glibc) {
        Ok(()) if are_looked_for(graphics) => return Ok(None),
        Ok(()) | Err(Unfit::Absent) => {}
        Err(Unfit::TooNew(library, needed)) => {
            log.debug(format_args!(
                "graphics: not {OPENGL_DRIVER}: {library} needs glibc 2.{needed}; the bundle has 2.{glibc}"
            ));
        }
    }
    match Nvidia::find(glibc) {
        Ok(driver) => {
            log.debug(format_args!("graphics: the host's NVIDIA driver{driver}"));
            Ok(Some(driver))
        }
        Err(Missing::Module) => Err(NoDrivers::OnHost),
        Err(Missing::Libraries(version)) => Err(NoDrivers::OfVersion(version)),
    }
}

fn are_looked_for(graphics: Graphics) -> bool {
    graphics.interfaces.contains(Interface::OpenglDriver)
}

impl Drivers {
    /// Whether programs look in `/run/opengl-driver`: else only variables help.
    pub(crate) fn are_looked_for(&self) -> bool {
        are_looked_for(self.graphics)
    }

    /// The path of the bundle's drivers in `/nix/store`.
    pub(crate) fn in_store(&self, context: &Context<'_>) -> Option<Vec<u8>> {
        let path = &context.bundle.descriptor.paths.get(usize::from(self.bundled?))?.path;
        Some(alloc::format!("{STORE_DIR}/{path}").into_bytes())
    }

    /// Whether the host's drivers are among them.
    pub(crate) fn are_of_host(&self) -> bool {
        self.host.is_some()
    }

    /// Writes links to the host's drivers to an empty directory, in the layout of `/run/opengl-driver`.
    pub(crate) fn write(&self, directory: impl AsFd, context: &Context<'_>) -> Result<(), Errno> {
        let (Some(host), Some(glibc)) = (&self.host, self.graphics.glibc) else { return Ok(()) };
        for (path, target) in host.links(glibc, context.log) {
            let mut above = directory.as_fd();
            let mut opened: OwnedFd;
            let mut components = path.split(|byte| *byte == b'/').peekable();
            while let Some(component) = components.next() {
                let name = CString::new(component).map_err(|_| Errno::INVAL)?;
                if components.peek().is_none() {
                    match rustix::fs::symlinkat(&*target, above, &*name) {
                        // A library has the name of a directory.
                        Ok(()) | Err(Errno::EXIST) => break,
                        Err(errno) => return Err(errno),
                    }
                }
                opened = file::ensure_directory(above, &name, Permissions::from_raw_mode(0o755))?;
                above = opened.as_fd();
            }
        }
        Ok(())
    }

    /// Finds or makes the directory of links to the host's drivers in the user's cache; returns its path.
    fn link(&self, context: &Context<'_>) -> Option<Vec<u8>> {
        let (host, glibc) = (self.host.as_ref()?, self.graphics.glibc?);
        let name = host.name(glibc);
        published::find_or_make(context, GRAPHICS, &name, |directory| {
            self.write(directory, context)
        })
    }

    /// Returns the variables by which programs find drivers in these directories, and libraries by `libraries`.
    pub(crate) fn variables(
        &self,
        directories: &[Vec<u8>],
        libraries: Vec<u8>,
        is_set: impl Fn(&str) -> bool,
    ) -> Vec<(&'static str, Vec<u8>)> {
        let interfaces = self.graphics.interfaces;
        let mut variables = variables::variables(interfaces, directories, is_set);
        if let ([_], true) = (directories, interfaces.contains(Interface::Glx)) {
            // With two, the X server says which.
            let vendor = if self.host.is_some() { &b"nvidia"[..] } else { b"mesa" };
            variables.push(("__GLX_VENDOR_LIBRARY_NAME", vendor.into()));
        }
        if self.need_library_path() {
            variables.push((LIBRARY_PATH, libraries));
        }
        variables
    }

    /// Whether libraries of the drivers are opened by their names alone, from where nothing says where they are:
    /// libGLX and programs that use CUDA do, and NVIDIA's libraries want each other.
    fn need_library_path(&self) -> bool {
        let interfaces = self.graphics.interfaces;
        self.host.is_some()
            || interfaces.contains(Interface::Glx)
            || interfaces.contains(Interface::Cuda)
    }
}

/// The variable that names directories of libraries.
pub(crate) const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// How many directories below the cache the programs are for which [`libraries_of_bundle`] works.
const DEPTH: usize = 5;

/// Returns the directory of the libraries of the bundle's drivers for `LD_LIBRARY_PATH`, in a form that only programs
/// in the cache at `base` find: `$ORIGIN` is the directory of the program that the dynamic linker starts (ld.so(8)).
/// Programs of the host that the bundle starts find their own drivers.
///
/// For them, `$ORIGIN/..` can be a directory to which others write; so the name in it is a random one.
pub(crate) fn libraries_of_bundle(
    context: &Context<'_>,
    base: &[u8],
    drivers: &[u8],
) -> Option<Vec<u8>> {
    let name = drivers.rsplit(|byte| *byte == b'/').next()?;
    let mut places = place::places(&context.settings, context.environment).into_iter();
    let cache = places
        .find_map(|place| place.open(Absent::Fail).ok().filter(|cache| cache.path == base))?;
    let prefix = [name, b"-for-"].concat();
    let known = cache
        .subdirectory(GRAPHICS, PRIVATE)
        .and_then(|directory| file::names(directory).map_err(Error::file("list", GRAPHICS)));
    let known = known.ok()?.into_iter().find(|known| known.to_bytes().starts_with(&prefix));
    let known = match known {
        Some(known) => known.into_bytes(),
        None => {
            let random = alloc::format!("{:016x}{:016x}", file::random(), file::random());
            let new = [&prefix, random.as_bytes()].concat();
            let target = [b"../../", name, b"/lib"].concat();
            published::publish(&cache, GRAPHICS, core::str::from_utf8(&new).ok()?, |directory| {
                rustix::fs::symlinkat(&*target, directory, c"lib")
            })
            .ok()?;
            new
        }
    };
    let below = [b"/", GRAPHICS.to_bytes(), b"/", &known, b"/lib"].concat();
    let path = |depth| [&b"$ORIGIN"[..], &b"/..".repeat(depth), &below].concat();
    Some((0..=DEPTH).map(path).collect::<Vec<_>>().join(&b':'))
}
