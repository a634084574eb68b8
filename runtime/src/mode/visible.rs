//! Where the closure can be seen, once a mode has made it visible.

use alloc::vec::Vec;

use format::{PathKey, STORE_DIR};

use crate::cache::name;

/// A closure that programs can be executed from.
#[derive(Debug)]
pub enum Visible {
    /// At `/nix/store`.
    InNixStore,
    /// Relocated, in the cache with this path.
    InCache(Vec<u8>),
}

impl Visible {
    /// The directory of a store path.
    pub fn directory(&self, path: &PathKey) -> Vec<u8> {
        let relocated = match self {
            Visible::InNixStore => None,
            // A closure is relocated only to a cache whose path fits.
            Visible::InCache(base) => name::relocated_path(base, path.key, &path.path).ok(),
        };
        relocated.unwrap_or_else(|| alloc::format!("{STORE_DIR}/{}", path.path).into_bytes())
    }
}
