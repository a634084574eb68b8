//! Programs with windows in bundles, with a real X server, session bus and portals: what docs/desktop.md says.
//!
//! The programs are those of nix/corpus/desktop.toml. All tests are ignored: `make test-desktop` runs them.

/// Fonts and their configuration.
mod fonts;
/// Keys, and input methods that a bundle does not have.
mod input;
/// Each program alone and in a bundle, in each mode.
mod programs;
/// A host with a screen, and programs on it.
mod screen;
/// The session bus, portals and programs of the host.
mod services;
/// Icons, cursors, settings, and modules of the host's libraries.
mod themes;
