//! What is in the files: digests, references, and whether these can be rewritten.

mod aarch64;
mod catalogue;
pub(crate) mod compressed;
pub(crate) mod content;
mod digest_name;
mod kind;
mod pieces;
pub(crate) mod proof;
pub(crate) mod secret;
mod store_name;
pub(crate) mod streams;
mod tar_blocks;
pub(crate) mod texts;
