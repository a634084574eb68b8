//! The variables by which loaders find drivers that are not where they look.
//!
//! Each is documented by its loader: libglvnd (`__EGL_VENDOR_LIBRARY_FILENAMES`, `__GLX_VENDOR_LIBRARY_NAME`), NVIDIA's
//! egl-wayland (`__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS`), the Vulkan loader (`VK_DRIVER_FILES`, and `VK_ICD_FILENAMES` for
//! those before 1.3.207), Mesa (`LIBGL_DRIVERS_PATH`, `GBM_BACKENDS_PATH`), libva, libvdpau, and ocl-icd.

use alloc::vec::Vec;

use format::{Interface, Interfaces};
use rustix::fs::Access;

use super::nvidia::names;

/// How a variable names what is in a directory of drivers.
enum Value {
    /// All files with this end.
    Files(&'static [u8]),
    /// The directory.
    Directory,
}
use Value::{Directory, Files};

/// The variables, what they are for, and the directories that they name. Two may have the same.
const VARIABLES: [(&str, &[Interface], &str, Value); 9] = [
    (
        "__EGL_VENDOR_LIBRARY_FILENAMES",
        &[Interface::Egl],
        "share/glvnd/egl_vendor.d",
        Files(b".json"),
    ),
    (
        "__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS",
        &[Interface::Egl],
        "share/egl/egl_external_platform.d",
        Directory,
    ),
    ("VK_DRIVER_FILES", &[Interface::Vulkan], "share/vulkan/icd.d", Files(b".json")),
    ("VK_ICD_FILENAMES", &[Interface::Vulkan], "share/vulkan/icd.d", Files(b".json")),
    // Mesa's libraries for all three open its drivers.
    ("LIBGL_DRIVERS_PATH", &[Interface::Glx, Interface::Egl, Interface::Gbm], "lib/dri", Directory),
    ("GBM_BACKENDS_PATH", &[Interface::Gbm], "lib/gbm", Directory),
    ("LIBVA_DRIVERS_PATH", &[Interface::VaApi], "lib/dri", Directory),
    ("VDPAU_DRIVER_PATH", &[Interface::Vdpau], "lib/vdpau", Directory),
    ("OCL_ICD_VENDORS", &[Interface::Opencl], "etc/OpenCL/vendors", Directory),
];

/// Variables that say the same in another way: if the caller set one, the first is not set.
const OTHERS: [(&str, &str); 3] = [
    ("__EGL_VENDOR_LIBRARY_FILENAMES", "__EGL_VENDOR_LIBRARY_DIRS"),
    ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"),
    ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"),
];

/// Variables that name one directory, not a list.
const SINGLE: [&str; 3] = ["VDPAU_DRIVER_PATH", "OCL_ICD_VENDORS", "GBM_BACKENDS_PATH"];

/// Returns the variables for these directories of drivers, best first; `is_set` says what the caller set.
pub(super) fn variables(
    interfaces: Interfaces,
    directories: &[Vec<u8>],
    is_set: impl Fn(&str) -> bool,
) -> Vec<(&'static str, Vec<u8>)> {
    let mut variables = Vec::new();
    for (name, needing, below, value) in VARIABLES {
        let is_said = OTHERS.iter().any(|(one, other)| *one == name && is_set(other));
        if is_said || !needing.iter().any(|interface| interfaces.contains(*interface)) {
            continue;
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for directory in directories {
            let path = [directory, &b"/"[..], below.as_bytes()].concat();
            match value {
                Directory if rustix::fs::access(&*path, Access::EXISTS).is_ok() => parts.push(path),
                Directory => {}
                Files(end) => {
                    let names =
                        names(&path).into_iter().filter(|name| name.to_bytes().ends_with(end));
                    parts.extend(names.map(|name| [&path, &b"/"[..], name.to_bytes()].concat()));
                }
            }
        }
        if SINGLE.contains(&name) {
            parts.truncate(1);
        }
        if !parts.is_empty() {
            variables.push((name, parts.join(&b':')));
        }
    }
    variables
}
