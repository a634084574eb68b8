//! Finds what to pack: options → store paths → files.
//!
//! [`store::Store`] reads a store directory. Another kind of source gets a file beside it and has the same methods:
//! they list the store paths and open files by name.

pub(crate) mod binary_cache;
pub(crate) mod bundle;
pub(crate) mod closure;
pub(crate) mod exclude;
pub(crate) mod installable;
pub(crate) mod kept;
pub(crate) mod nar;
pub(crate) mod node;
pub(crate) mod path_info;
pub(crate) mod reader;
pub(crate) mod reference;
pub(crate) mod resolve;
pub(crate) mod slim;
pub(crate) mod store;
pub(crate) mod strip;
pub(crate) mod stripped;
pub(crate) mod tree;
