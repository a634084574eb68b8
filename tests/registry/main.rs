//! `packer push` and `packer pull` with Debian's registry, and with one that answers badly.

/// What is asked, and where names and passwords are found.
mod authorization;
/// Registries that refuse, fail or lie: nothing is lost or half written.
mod bad_answers;
/// Bundles go to a registry and come back.
mod bundles;
/// Calls of packer, with a home of their own.
mod calls;
/// Connections that break in a transfer.
mod cuts;
/// Debian's registry.
mod debian;
/// Images that other tools made, and what they find in the registry.
mod images;
