//! Desktop entries: `PACKED=desktop` and `packer desktop` install what a host's desktop needs to start a bundle.

/// Bad input: entries, icons and places that cannot be used are refused or left out, and it is said.
mod bad_input;
/// The closures that are packed, and what is done with their bundles.
mod fixture;
/// What is installed, listed and removed.
mod installed;
/// Installations that are killed, or fail, at any system call.
mod interrupted;
/// A real launcher starts the programs, whatever the bundle's path is.
mod launched;
/// `packer build --portable`.
mod portable;
/// Real programs, out of Debian's packages.
mod programs;
/// The validators of freedesktop.org.
mod validated;
