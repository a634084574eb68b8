//! What is in the files: digests, references, and whether these can be rewritten.

mod aarch64;
pub(crate) mod compressed;
pub(crate) mod content;
mod kind;
mod pieces;
pub(crate) mod proof;
mod store_name;
mod tar_blocks;
pub(crate) mod variables;
