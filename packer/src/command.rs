//! The commands: what the packer does, one file each.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod extract;
pub(crate) mod inspect;
mod print;
mod summary;
pub(crate) mod verify;
