//! Who vouches for a bundle: Nix's signatures of its store paths, and minisign's of the whole.

/// Bundles that somebody altered, with right digests: signatures are for what was signed.
mod altered;
/// A closure that nobody else has, which Nix signs with keys of its own.
mod closure;
/// Passwords on stdin, as scripts give them.
mod keys;
/// What is not whole, or was packed without what Nix knows, has nobody who vouches.
mod left_out;
/// Nix signs; `packer verify` checks, on a machine without Nix.
mod store_paths;
/// Passwords on a terminal, which does not show them.
mod terminal;
/// A bundle as a whole: packer and the tool minisign make and check each other's signatures.
mod whole;
