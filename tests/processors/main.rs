//! Bundles for another processor type, run by Debian's emulator.

mod cut_paths;
mod emulated;
mod same_bytes;
mod stubs;

/// The processor type that is not this machine's.
const OTHER: &str = "aarch64";

/// What its closures are made and run with.
const NEEDED: &[&str] = &["aarch64-linux-gnu-gcc", "qemu-aarch64-static"];
