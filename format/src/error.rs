//! Why bytes are not a part of a bundle.

use core::fmt;

/// A part of a bundle, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record inside the stub.
    Descriptor,
    /// What the bundle is.
    Manifest,
    /// The list of files.
    Index,
    /// The table of frames.
    SeekTable,
    /// The frame with this number, from 0.
    Frame(u32),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Descriptor => f.write_str("descriptor"),
            Part::Manifest => f.write_str("manifest"),
            Part::Index => f.write_str("index"),
            Part::SeekTable => f.write_str("seek table"),
            Part::Frame(number) => write!(f, "frame {number}"),
        }
    }
}

/// Why bytes are not a part of a bundle that this version can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The stub was never filled in: there is no bundle behind it.
    EmptyDescriptor,
    /// Written by another version of the format.
    Version {
        /// The version found.
        found: u32,
    },
    /// The part ends before its last field does, or has bytes behind it.
    Length(Part),
    /// The part's bytes are not those the packer wrote.
    ///
    /// If this were let pass, altered content would run.
    Digest(Part),
    /// The part holds a value that no packer writes.
    Value {
        /// Where it was found.
        part: Part,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// The part asks for more than `limits` allows.
    Limit {
        /// Where it was found.
        part: Part,
        /// What there is too much of.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::EmptyDescriptor => f.write_str("the stub has no bundle behind it"),
            Error::Version { found } => write!(
                f,
                "bundle format version {found} is not known (this program reads {} to {})",
                crate::OLDEST_VERSION,
                crate::BUNDLE_VERSION
            ),
            Error::Length(part) => write!(f, "{part}: wrong length"),
            Error::Digest(part) => write!(f, "{part}: digest does not match"),
            Error::Value { part, rule } => write!(f, "{part}: {rule}"),
            Error::Limit { part, what } => write!(f, "{part}: too many {what}"),
        }
    }
}

impl core::error::Error for Error {}
