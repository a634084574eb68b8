//! `packer build --from`: closures from binary caches that Nix writes, from real servers, and from one that lies.

/// Store paths whose names follow from their content.
mod addressed;
/// Names, passwords and proxies.
mod asked;
/// Unlucky networks.
mod broken_off;
/// Files of `nix-store --export`, and `packer find`.
mod exported;
/// Caches that lie.
mod hostile;
/// What is kept for the next run.
mod kept;
/// What is in a store of this machine.
mod local;
/// Calls of packer, on machines with and without Nix.
mod machine;
/// The closure that is packed, and its caches.
mod made;
/// Large closures.
mod many;
/// The bundle from a cache, and the one from the store.
mod same_bytes;
/// Caches as directories and behind nginx, python and TLS, in every compression.
mod served;
/// Several caches.
mod several;
/// Whose signatures count.
mod signed;
