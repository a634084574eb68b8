//! The bill of materials: what is in a closure, in the forms that other programs read.

mod bill;
mod component;
mod cyclonedx;
mod document;
mod license;
mod meta;
pub(crate) mod name;
mod spdx;

use crate::error::Result;
pub(crate) use bill::{Bill, Subject};
pub(crate) use cyclonedx::meta as embedded_meta;
pub(crate) use meta::Meta;

/// The form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// CycloneDX 1.6, JSON
    Cyclonedx,
    /// SPDX 2.3, JSON
    Spdx,
}

/// Writes the document: JSON, with a line feed at the end. The same closure, and what a file of `--meta` says of it, give
/// the same bytes.
///
/// # Errors
///
/// If `SOURCE_DATE_EPOCH` is needed and is not a time.
pub(crate) fn write(bill: &Bill, form: Form) -> Result<String> {
    match form {
        Form::Cyclonedx => Ok(cyclonedx::write(bill)),
        Form::Spdx => Ok(spdx::write(bill, document::date()?)),
    }
}
