//! What is written: from a plan and the files to the output.
//!
//! A bundle is one kind of output; another kind stands beside `bundle.rs` and takes the same [`payload::Input`].

pub(crate) mod bundle;
mod descriptor;
mod file;
pub(crate) mod frame;
pub(crate) mod payload;
pub(crate) mod stub;
pub(crate) mod tar;
