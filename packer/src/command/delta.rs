//! `packer delta` and `packer apply`: a new version of a bundle as a file with what changed.

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::Instant;

use runtime::error::Size;

use super::{print, summary};
use crate::error::Result;
use crate::source::bundle::Bundle;
use crate::update::apply;
use crate::update::delta::{self, Effort, Made};
use crate::{cli, show};

/// Makes a delta.
///
/// # Errors
///
/// If one of the files is no bundle or is damaged, or the delta cannot be written.
pub(crate) fn delta(options: &cli::Delta) -> Result<()> {
    let started = Instant::now();
    let (old, new) = (Bundle::open(&options.old)?, Bundle::open(&options.new)?);
    let effort = if options.fast { Effort::Copy } else { Effort::Compress };
    let made = delta::make(&old, &new, &options.output, effort, threads(options.threads))?;
    let Made { len, frames, old, patched } = made;
    let whole = new.header.descriptor.file_len;
    print::text(&format!(
        "{}: {} instead of {} in {:.1} s; of {frames} frames {old} are there, {patched} are made from what is there\n",
        show::path(&options.output),
        Size(len),
        Size(whole),
        summary::seconds(started.elapsed()),
    ))
}

/// Applies a delta.
///
/// # Errors
///
/// If the delta is not for this bundle, one of the files is damaged, or the new bundle cannot be written.
pub(crate) fn apply(options: &cli::Apply) -> Result<()> {
    let started = Instant::now();
    let old = Bundle::open(&options.old)?;
    let output: &Path = &options.output;
    let id = apply::apply(&old, &options.delta, output, threads(options.threads))?;
    let seconds = summary::seconds(started.elapsed());
    print::text(&format!("{}: the bundle {id}, in {seconds:.1} s\n", show::path(output)))
}

/// The number of threads that is asked for, or one for each core.
fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    asked.unwrap_or_else(cores)
}
