//! New versions of a bundle from old ones: by a delta, and over HTTP.

/// Deltas of real closures: the new bundle comes out byte for byte, and runs.
mod applied;
/// Asking without taking.
mod checked;
/// What changed, as text and as JSON.
mod compared;
/// Files, with a directory of their own, and calls of packer.
mod files;
/// Servers that lie, fail or stall: the bundle is as it was.
mod hostile;
/// Packer killed at each write, full disks: the old bundle stays whole.
mod interrupted;
/// Updates that are killed.
mod killed;
/// Bundles of two versions, and the directories where one replaces the other.
mod made;
/// nginx, with and without ranges, and python.
mod over_http;
/// Deltas that are damaged, hostile or for another bundle.
mod refused;
/// What becomes of the file.
mod replaced;
/// Keys, signatures and versions.
mod trusted;
