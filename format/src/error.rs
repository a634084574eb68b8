//! Errors of decoding and encoding the parts of a bundle.

use core::fmt;

/// A part of a bundle, as error messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The descriptor inside the stub.
    Descriptor,
    /// The list of store paths.
    Manifest,
    /// The list of files.
    Index,
    /// The table of frames.
    SeekTable,
    /// The frame with this number; the first is 0.
    Frame(u32),
    /// The start or the head of a delta.
    Delta,
    /// A part of a delta; the first is 0.
    DeltaPart(u32),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Descriptor => f.write_str("descriptor"),
            Part::Manifest => f.write_str("manifest"),
            Part::Index => f.write_str("index"),
            Part::SeekTable => f.write_str("seek table"),
            Part::Frame(number) => write!(f, "frame {number}"),
            Part::Delta => f.write_str("head of the delta"),
            Part::DeltaPart(number) => write!(f, "part {number} of the delta"),
        }
    }
}

/// Why bytes are not a part of a bundle that this version can read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The stub is not filled in: it has no payload.
    EmptyDescriptor,
    /// The bundle has another version of the format.
    Version {
        /// The bundle's version.
        found: u32,
    },
    /// The delta has another version.
    DeltaVersion {
        /// The delta's version.
        found: u32,
    },
    /// The part ends before its last field, or has more bytes after it.
    Length(Part),
    /// The part's bytes differ from those that the packer wrote.
    ///
    /// Without this error, altered content would run.
    Digest(Part),
    /// The part contains a value that no packer writes.
    Value {
        /// The part that contains the value.
        part: Part,
        /// The rule that the value breaks.
        rule: &'static str,
    },
    /// The part exceeds one of the [`limits`](crate::limits).
    Limit {
        /// The part that exceeds the limit.
        part: Part,
        /// What there is too much of, such as `files`.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::EmptyDescriptor => f.write_str("the stub has no payload"),
            Error::Version { found } => write!(
                f,
                "bundle format version {found} is not known (this program reads {} to {})",
                crate::OLDEST_VERSION,
                crate::BUNDLE_VERSION
            ),
            Error::DeltaVersion { found } => write!(
                f,
                "delta version {found} is not known (this program reads {})",
                crate::DELTA_VERSION
            ),
            Error::Length(part) => write!(f, "{part}: wrong length"),
            Error::Digest(part) => write!(f, "{part}: digest does not match"),
            Error::Value { part, rule } => write!(f, "{part}: {rule}"),
            Error::Limit { part, what } => write!(f, "{part}: too many {what}"),
        }
    }
}

impl core::error::Error for Error {}
