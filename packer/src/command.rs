//! The commands of packer, one file each.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod delta;
pub(crate) mod desktop;
pub(crate) mod diff;
pub(crate) mod extract;
pub(crate) mod find;
mod gather;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod man;
mod password;
mod print;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod sbom;
pub(crate) mod sign;
mod smaller;
mod summary;
pub(crate) mod unit;
pub(crate) mod update;
pub(crate) mod verify;
