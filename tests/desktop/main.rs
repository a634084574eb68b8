//! Programs with windows in bundles, with a real X server, session bus and portals: what docs/desktop.md says.
//!
//! The programs are those of nix/corpus/desktop.toml. All tests are ignored: `make test-hosts` runs them.

/// Each program alone and in a bundle, in each mode.
mod programs;
/// A host with a screen, and programs on it.
mod screen;
