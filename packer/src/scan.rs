//! What is in the files: digests, references, and whether these can be rewritten.

pub(crate) mod compressed;
pub(crate) mod content;
pub(crate) mod proof;
pub(crate) mod variables;
