//! What the output is to be: decided from what the scan found, before anything is written.

pub(crate) mod content_key;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod manifest;
pub(crate) mod modes;
pub(crate) mod verdict;

use format::{Manifest, Modes, StorePath};

/// What the output is to be.
pub(crate) struct Plan {
    /// The programs to run; the first is the default.
    pub(crate) programs: Vec<entry::Program>,
    /// References are written only for bundles that may be relocated.
    pub(crate) modes: Modes,
    /// Rules for the environment, in order.
    pub(crate) rules: Vec<environment::Rule>,
    pub(crate) manifest: Manifest,
    /// The store paths that were asked for.
    pub(crate) roots: Vec<StorePath>,
}
