//! The commands of packer, one file each.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod extract;
pub(crate) mod find;
mod gather;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod man;
mod print;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod sbom;
mod summary;
pub(crate) mod unit;
pub(crate) mod verify;
