//! Writes the output from the plan and the files.
//!
//! A bundle is one kind of output. Another kind gets a file beside `bundle.rs` and takes the same
//! [`payload::Input`].

pub(crate) mod bundle;
mod descriptor;
pub(crate) mod file;
pub(crate) mod frame;
pub(crate) mod payload;
pub(crate) mod stub;
pub(crate) mod tar;
