//! `packer verify`: checks a bundle, and says who vouches for its store paths.

pub(crate) mod check;
mod report;

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::show;
use crate::source::bundle::Bundle;
use crate::trust::TrustedKeys;

use report::Report;

/// Checks a bundle and prints the result.
///
/// # Errors
///
/// The first problem that it finds. With `--require-signatures`, also if nobody vouches for one of the store paths.
pub(crate) fn verify(options: &cli::Verify) -> Result<()> {
    let keys = TrustedKeys::new(&options.trust.trusted_key)?;
    let bundle = Bundle::open(&options.bundle)?;
    let checked = check::check(&bundle)?;
    let report = Report::new(show::path(&options.bundle), &bundle, &checked, &keys);
    if options.json {
        print::json(&report)?
    } else {
        print::text(&report.text())?
    }
    match report.unvouched().next() {
        Some(first) if options.require_signatures => Err(Error::Unvouched {
            path: report.bundle.clone(),
            first: first.path.clone(),
            more: report.unvouched().count() - 1,
        }),
        _ => Ok(()),
    }
}
