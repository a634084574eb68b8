//! New versions of a bundle from old ones: only what changed is sent.

pub(crate) mod assembly;
mod body;
pub(crate) mod choice;
pub(crate) mod fetch;
pub(crate) mod kept;
pub(crate) mod location;
pub(crate) mod offer;
pub(crate) mod old_frames;
mod ranges;
mod remote;
mod server;
pub(crate) mod signature;
mod stream;
pub(crate) mod target;
pub(crate) mod version;
