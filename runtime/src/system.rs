//! System calls: the layer below all others, and the only one with unsafe code.
//!
//! Each file that needs `unsafe_code` allows it; the others call the kernel through `rustix`.

#[allow(unsafe_code)]
pub mod call;
#[allow(unsafe_code)]
pub mod child;
pub mod file;
pub mod limit;
pub mod log;
#[cfg(feature = "stub")]
#[allow(unsafe_code)]
pub mod memory;
pub mod remove;
#[cfg(feature = "stub")]
#[allow(unsafe_code)]
pub mod start;
#[allow(unsafe_code)]
pub mod thread;
