//! Where a mode has made the closure visible.

use alloc::vec::Vec;

use format::{PathKey, STORE_DIR};

use crate::cache::name;

/// The location of a closure whose programs can be executed.
#[derive(Debug)]
pub enum Visible {
    /// At `/nix/store`, on the host.
    OnHost,
    /// Mounted at `/nix/store`, for this process.
    Mounted {
        /// Whether `/run/opengl-driver` has the drivers.
        has_drivers: bool,
    },
    /// Relocated, in the cache at this path.
    InCache(Vec<u8>),
}

impl Visible {
    /// Returns the directory of a store path.
    pub fn directory(&self, path: &PathKey) -> Vec<u8> {
        let relocated = match self {
            Visible::OnHost | Visible::Mounted { .. } => None,
            // A closure is relocated only to a cache whose path is fit for it.
            Visible::InCache(base) => name::relocated_path(base, path.key, &path.path).ok(),
        };
        relocated.unwrap_or_else(|| alloc::format!("{STORE_DIR}/{}", path.path).into_bytes())
    }
}
