//! `packer update`: newer bundles from real servers, and from some that are hostile or unlucky.

/// Asking without taking.
mod checked;
/// Servers that lie, fail or stall: the bundle is as it was.
mod hostile;
/// Updates that are killed.
mod killed;
/// Bundles of two versions, and the directories where one replaces the other.
mod made;
/// nginx, with and without ranges, and python.
mod over_http;
/// What becomes of the file.
mod replaced;
/// Keys, signatures and versions.
mod trusted;
