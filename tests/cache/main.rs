//! The cache: it stays right when starts are killed, race or run out of room, and when its files are altered.

/// `PACKED=verify` finds what was altered in the cache.
mod altered_cache;
/// A hundred first starts at once, kills and removals among them.
mod concurrent_starts;
/// A first start that is killed, or fails, at each of its system calls.
mod interrupted;
/// In a Landlock sandbox that forbids renaming to another directory.
mod landlock;
/// Too little space, inodes, quota or file size.
mod no_room;
/// In the lower layer of an overlay.
mod overlay;
/// `packer cache list`, `packer cache clear` and `packer cache gc`.
mod packer_cache;
/// The first start after the machine lost its power.
mod power_loss;
/// A bundle with several entries, which need different store paths.
mod subsets;
/// One cache under two names.
mod two_names;
