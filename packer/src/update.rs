//! New versions of a bundle from old ones: only what changed is sent.

pub(crate) mod apply;
pub(crate) mod assembly;
mod body;
pub(crate) mod choice;
pub(crate) mod delta;
mod delta_file;
pub(crate) mod diff;
pub(crate) mod fetch;
pub(crate) mod kept;
pub(crate) mod location;
pub(crate) mod offer;
pub(crate) mod old_frames;
mod old_stub;
mod pairs;
mod patch;
mod prefix;
mod ranges;
mod remote;
mod renames;
mod server;
pub(crate) mod signature;
mod stored;
mod stream;
pub(crate) mod target;
pub(crate) mod version;
