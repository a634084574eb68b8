//! Many machines with one home: network file systems, locks that do nothing, caches that an administrator fills.

/// A file system on which flock(2) does nothing.
mod locks;
/// Where a start unpacks if the home is on a network file system.
mod network;
/// A hundred first starts at once on ten machines with one home.
mod nodes;
/// Caches that an administrator fills with `packer cache add`.
mod shared;
/// Who can change a shared cache, and what starts then do.
mod trust;
