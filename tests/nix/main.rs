//! Nix and packer together: what is packed of Nix's store, and bundles that Nix makes and runs.

/// A bundle that runs in a Nix build.
mod bundle_in_build;
/// `nix/bundle.nix`: a bundle as a derivation, and `nix bundle`.
mod bundle_nix;
/// `nix/compose.nix`: a composition as a derivation.
mod compose_nix;
/// Every output of `flake.nix`.
mod flake;
/// `packer build --closure .#hello`.
mod installables;
/// `packer build` as an ordinary user, with and without Nix's daemon.
mod ordinary_user;
/// Which store paths are in a bundle.
mod store_paths;
