//! What the operating system does for us. The layer below all others, and the only one with unsafe code.
//!
//! `unsafe_code` is allowed file by file; other system calls go through `rustix`.

#[allow(unsafe_code)]
pub mod call;
#[allow(unsafe_code)]
pub mod child;
pub mod file;
pub mod log;
#[cfg(feature = "stub")]
#[allow(unsafe_code)]
pub mod memory;
#[cfg(feature = "stub")]
#[allow(unsafe_code)]
pub mod start;
#[allow(unsafe_code)]
pub mod thread;
