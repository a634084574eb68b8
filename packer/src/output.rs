//! Writes the output from the plan and the files.
//!
//! A bundle is one kind of output, an OCI image is another. Both are made of the same tar entries.

pub(crate) mod bundle;
mod descriptor;
pub(crate) mod file;
pub(crate) mod frame;
pub(crate) mod image;
mod order;
pub(crate) mod payload;
pub(crate) mod stub;
pub(crate) mod tar;
