//! The bill of materials: what is in a closure, for other programs.

pub(crate) mod name;
