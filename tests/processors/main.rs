//! Bundles for another processor type, run by Debian's emulator.

/// Each bundle in each mode.
mod emulated;
/// The same bytes from a packer for another processor type.
mod same_bytes;
/// Which stub packer takes, and what it refuses.
mod stubs;

/// The processor type that is not this machine's.
const OTHER: &str = "aarch64";

/// What its closures are made and run with.
const NEEDED: &[&str] = &["aarch64-linux-gnu-gcc", "qemu-aarch64-static"];
