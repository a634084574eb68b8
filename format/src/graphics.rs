//! What a closure's programs need of graphics drivers.

use crate::error::{Error, Part};
use crate::wire::{Reader, Writer};

/// What files of a closure say that its programs need drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// OpenGL on X11: libGLX opens a vendor's library.
    Glx,
    /// OpenGL and others on any window system: libEGL opens a vendor's library.
    Egl,
    /// The Vulkan loader opens drivers.
    Vulkan,
    /// Loaders of OpenCL open drivers.
    Opencl,
    /// Programs open libcuda itself.
    Cuda,
    /// libgbm opens a backend.
    Gbm,
    /// libva opens a driver.
    VaApi,
    /// libvdpau opens a driver.
    Vdpau,
    /// A file names `/run/opengl-driver`, where NixOS has drivers: programs look there.
    OpenglDriver,
}

impl Interface {
    /// All interfaces.
    pub const ALL: [Interface; 9] = [
        Interface::Glx,
        Interface::Egl,
        Interface::Vulkan,
        Interface::Opencl,
        Interface::Cuda,
        Interface::Gbm,
        Interface::VaApi,
        Interface::Vdpau,
        Interface::OpenglDriver,
    ];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Interface::Glx => "glx",
            Interface::Egl => "egl",
            Interface::Vulkan => "vulkan",
            Interface::Opencl => "opencl",
            Interface::Cuda => "cuda",
            Interface::Gbm => "gbm",
            Interface::VaApi => "va-api",
            Interface::Vdpau => "vdpau",
            Interface::OpenglDriver => "opengl-driver",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interfaces(u32);

impl Interfaces {
    /// Whether an interface is in the set.
    pub fn contains(self, interface: Interface) -> bool {
        self.0 & interface.bit() != 0
    }

    /// The interfaces of the set.
    pub fn iter(self) -> impl Iterator<Item = Interface> {
        Interface::ALL.into_iter().filter(move |interface| self.contains(*interface))
    }
}

impl FromIterator<Interface> for Interfaces {
    fn from_iter<I: IntoIterator<Item = Interface>>(interfaces: I) -> Interfaces {
        Interfaces(interfaces.into_iter().fold(0, |bits, interface| bits | interface.bit()))
    }
}

/// What a closure's programs need of graphics drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graphics {
    /// What drivers are opened for.
    pub interfaces: Interfaces,
    /// The minor version of the oldest glibc 2 in the closure. Drivers that need a newer one cannot be loaded; without
    /// any, the host's cannot.
    pub glibc: Option<u16>,
    /// The store path of the bundle's own drivers, an index into the descriptor's
    /// [`paths`](crate::Descriptor::paths).
    pub drivers: Option<u16>,
}

impl Graphics {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.interfaces.0);
        for number in [self.glibc, self.drivers] {
            writer.u8(u8::from(number.is_some()));
            if let Some(number) = number {
                writer.u16(number);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, paths: usize) -> Result<Graphics, Error> {
        let bits = reader.u32()?;
        let interfaces = Interfaces(bits).iter().collect::<Interfaces>();
        if interfaces.0 != bits {
            return Err(reader.invalid("a graphics interface is unknown"));
        }
        let glibc = optional(reader)?;
        let drivers = optional(reader)?;
        if drivers.is_some_and(|path| usize::from(path) >= paths) {
            return Err(reader.invalid("the drivers' store path is not in the table"));
        }
        Ok(Graphics { interfaces, glibc, drivers })
    }
}

fn optional(reader: &mut Reader<'_>) -> Result<Option<u16>, Error> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(reader.u16()?)),
        _ => Err(reader.invalid("a flag is neither 0 nor 1")),
    }
}

/// Reads a list of at most one.
pub(crate) fn decode_any(reader: &mut Reader<'_>, paths: usize) -> Result<Option<Graphics>, Error> {
    match reader.count(1, 6, "graphics")? {
        0 => Ok(None),
        _ => Graphics::decode(reader, paths).map(Some),
    }
}

/// Writes a list of at most one.
pub(crate) fn encode_any(graphics: Option<&Graphics>, writer: &mut Writer) -> Result<(), Error> {
    writer.count(Part::Descriptor, "graphics", graphics.iter().count())?;
    graphics.into_iter().for_each(|graphics| graphics.encode(writer));
    Ok(())
}
