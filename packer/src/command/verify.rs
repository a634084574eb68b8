//! `packer verify`: checks a bundle, and says who vouches for its store paths.

pub(crate) mod check;
mod report;

use std::path::Path;

use super::{print, sign};
use crate::cli;
use crate::error::{Error, Result};
use crate::show;
use crate::source::bundle::Bundle;
use crate::trust::TrustedKeys;
use crate::trust::minisign;

use report::{Report, Signed};

/// Checks a bundle and prints the result.
///
/// # Errors
///
/// The first problem that it finds. With `--require-signatures`, also if nobody vouches for one of the store paths.
pub(crate) fn verify(options: &cli::Verify) -> Result<()> {
    let keys = TrustedKeys::new(&options.trust.trusted_key)?;
    let bundle = Bundle::open(&options.bundle)?;
    let signed = options.public_key.as_deref().map(|key| signed(options, key, &bundle));
    let signed = signed.transpose()?;
    let checked = check::check(&bundle)?;
    let report = Report::new(show::path(&options.bundle), &bundle, &checked, &keys, signed);
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

/// Checks the signature beside a bundle. `key` is a public key or the path of one.
fn signed(options: &cli::Verify, key: &Path, bundle: &Bundle) -> Result<Signed> {
    let key = sign::public_key(key)?;
    let path = minisign::beside(&options.bundle, minisign::ENDING);
    let name = show::path(&path);
    let verified = key.verify(&sign::read(&path)?, &bundle.file, &name)?;
    Ok(Signed { signature: name, key: key.id(), comment: verified.comment })
}
