//! Other ways to the same end: each makes what it needs of a closure, and says how it is started.

pub(crate) mod bubblewrap;
pub(crate) mod makeself;
pub(crate) mod squashfs;
pub(crate) mod tar;
pub(crate) mod wrappe;
