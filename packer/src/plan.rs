//! The plan: what the output will contain, decided after the scan and before anything is written.

pub(crate) mod content_key;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod graphics;
pub(crate) mod layers;
pub(crate) mod manifest;
pub(crate) mod modes;
pub(crate) mod path_info;
pub(crate) mod processor;
pub(crate) mod subset;
pub(crate) mod verdict;

use format::{Argv0, Manifest, Modes, StorePath};

/// The plan of an output.
pub(crate) struct Plan {
    /// The entries; the first is the default.
    pub(crate) programs: Vec<entry::Program>,
    /// For each entry the number of its subset in the manifest, if it does not need all store paths.
    pub(crate) subsets: Vec<Option<u16>>,
    /// The allowed modes. The index lists references only if `relocate` is one of them.
    pub(crate) modes: Modes,
    /// Rules for the environment, in order.
    pub(crate) rules: Vec<environment::Rule>,
    /// What the programs need of graphics drivers, if anything.
    pub(crate) graphics: Option<graphics::Graphics>,
    /// Names of programs of the host that the programs start.
    pub(crate) host_programs: Vec<&'static str>,
    pub(crate) argv0: Argv0,
    pub(crate) manifest: Manifest,
    /// The store paths that `--closure` names.
    pub(crate) roots: Vec<StorePath>,
}
