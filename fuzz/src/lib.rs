//! Fuzz targets: each gives untrusted bytes to a parser.
//!
//! A target may reject the bytes. It must not panic, hang or use unlimited memory. If it accepts the bytes, its
//! assertions check the result.

// A finding is a panic.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

mod binary_cache;
mod bundle;
mod parts;
mod relocation;
mod scan;
mod single;
mod update;

pub use parts::Parts;
pub use single::DESCRIPTOR_BODY;

/// A target: takes bytes, returns whether it accepts them.
pub type Target = fn(&[u8]) -> bool;

/// All targets with their names.
pub const TARGETS: [(&str, Target); 14] = [
    ("descriptor", single::descriptor),
    ("seek-table", single::seek_table),
    ("manifest", single::manifest),
    ("index", single::index),
    ("delta", single::delta),
    ("tar", bundle::tar),
    ("bundle", bundle::bundle),
    ("scan", scan::scan),
    ("relocation", relocation::relocation),
    ("nar", binary_cache::nar),
    ("narinfo", binary_cache::narinfo),
    ("export", binary_cache::export),
    ("content-range", update::content_range),
    ("version", update::version),
];
