//! New versions of a bundle from old ones: only what changed is sent.

pub(crate) mod assembly;
pub(crate) mod old_frames;
