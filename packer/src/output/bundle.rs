//! A bundle: the stub, filled in, and the payload behind it.

use std::path::Path;

use super::descriptor;
use super::file::OutputFile;
use super::payload::{self, Input, Options, Written};
use super::stub::Stub;
use crate::error::Result;
use crate::progress::Progress;

/// Writes a bundle to `path`, in place of what is there.
///
/// # Errors
///
/// If a file cannot be read or the bundle not be written; nothing is then left of it.
pub(crate) fn write(
    path: &Path,
    stub: Stub,
    input: &Input<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Written> {
    let mut output = OutputFile::create(path, stub.len())?;
    let written = payload::write(&mut output, input, options, progress)?;
    // The stub comes last: it says where everything is.
    let descriptor = descriptor::descriptor(input.plan, &written)?;
    output.write_head(&stub.fill(&descriptor)?)?;
    output.check(input.hidden)?;
    output.publish()?;
    options.cache.sweep();
    Ok(written)
}
