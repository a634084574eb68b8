//! Writes a bundle: the stub with its descriptor, and the payload behind it.

use std::path::Path;

use super::descriptor;
use super::file::OutputFile;
use super::payload::{self, Input, Options, Written};
use super::stub::Stub;
use crate::error::Result;
use crate::progress::Progress;

/// Writes a bundle to `path`; replaces an existing file.
///
/// # Errors
///
/// If a file cannot be read, or the bundle cannot be written; no partial bundle is left.
pub(crate) fn write(
    path: &Path,
    stub: Stub,
    input: &Input<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Written> {
    let mut output = OutputFile::create(path, stub.len())?;
    let written = payload::write(&mut output, input, options, progress)?;
    // The stub is written last, because its descriptor has the positions of all sections.
    let descriptor = descriptor::descriptor(input.plan, &written)?;
    output.write_at(&stub.fill(&descriptor)?, 0)?;
    output.check(input.hidden)?;
    output.publish()?;
    options.cache.sweep();
    Ok(written)
}
