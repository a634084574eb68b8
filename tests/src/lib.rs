//! The harness for whole bundles: real closures, the real `packer`, real hosts.
//!
//! ```text
//! closure  what is packed                host   where the bundle runs: as whom, with which /nix
//! bundle   packed by `packer build`      start  how it is started, down to the last descriptor
//! fixture  things built once per run     ended  what came out of it
//! ```
//!
//! A test takes a [`Bundle`], puts it on a [`Host`], makes a [`Start`] of it and looks at how it
//! [`Ended`]; [`probe::Report`] is what the program saw. Hosts need real root, for namespaces and for
//! other users: without it every test fails and says so.

// Test code: a harness that can't do its work stops the test, and says why.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

mod bundle;
mod closure;
mod compare;
mod control_group;
mod cutter;
mod derivation;
mod display;
mod ended;
mod exec;
mod fixture;
mod forge;
mod host;
pub mod http;
mod needed;
mod pair;
mod picture;
mod processes;
mod program;
mod project;
mod readers;
mod root;
mod served;
pub mod server;
mod start;
mod store;
mod terminal;
pub mod tree;
mod user;
mod user_namespace;

pub use bundle::{Builder, Bundle};
pub use closure::{Closure, EXAMPLES};
pub use compare::assert_same_start;
pub use control_group::ControlGroup;
pub use cutter::Cutter;
pub use derivation::{
    bundle, compose, example, examples, nix_build, nix_command, offline_bundler, references,
};
pub use display::Display;
pub use ended::Ended;
pub use fixture::once;
pub use forge::{Executable, Forge, Forged, Node, NodeKind, Region, regions};
pub use host::Host;
pub use needed::need;
pub use pair::Pair;
pub use picture::Picture;
pub use probe::Report;
pub use processes::Processes;
pub use program::{packer, probe, run, say, source, target};
pub use project::Project;
pub use readers::Readers;
pub use root::{Change, Nix, Root};
pub use served::{Logged, Served};
pub use start::{Directory, Running, Start, until};
pub use store::Store;
pub use terminal::Terminal;
pub use user::User;
pub use user_namespace::UserNamespace;
