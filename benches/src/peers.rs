//! Other tools with the same purpose: each file packs a closure with one tool, and says how to start the result.

pub(crate) mod bubblewrap;
pub(crate) mod makeself;
pub(crate) mod squashfs;
pub(crate) mod tar;
pub(crate) mod wrappe;
