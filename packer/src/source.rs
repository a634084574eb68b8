//! Where a closure comes from: what was asked for → store paths → files.
//!
//! [`store::Store`] is a directory of files. A source of another kind stands beside it and has the same methods: which
//! store paths there are, and their files opened by name.

pub(crate) mod bundle;
pub(crate) mod closure;
pub(crate) mod exclude;
pub(crate) mod installable;
pub(crate) mod reader;
pub(crate) mod reference;
pub(crate) mod resolve;
pub(crate) mod store;
pub(crate) mod tree;
