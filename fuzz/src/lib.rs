//! The parsers, each with bytes that anybody may have written.
//!
//! A target may refuse them. It may not panic, hang or take memory without bound, and where it accepts them, what
//! it makes of them has to be true: the assertions say what.

// A fuzzer's findings are panics.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

mod bundle;
mod parts;
mod relocation;
mod scan;
mod single;

pub use parts::Parts;
pub use single::DESCRIPTOR_BODY;

/// Takes bytes; `true` if they were accepted.
pub type Target = fn(&[u8]) -> bool;

/// The targets and their names.
pub const TARGETS: [(&str, Target); 8] = [
    ("descriptor", single::descriptor),
    ("seek-table", single::seek_table),
    ("manifest", single::manifest),
    ("index", single::index),
    ("tar", bundle::tar),
    ("bundle", bundle::bundle),
    ("scan", scan::scan),
    ("relocation", relocation::relocation),
];
