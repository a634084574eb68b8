//! `packer delta` and `packer apply`: a new version of a bundle as a file with what changed.

use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use runtime::error::Size;

use super::{print, summary};
use crate::error::{Error, Result};
use crate::source::bundle::Bundle;
use crate::update::apply::{self, Output};
use crate::update::delta::{self, Effort, Made};
use crate::update::target::{Keep, Target};
use crate::{cli, show};

/// Makes a delta.
///
/// # Errors
///
/// If one of the files is no bundle or is damaged, or the delta cannot be written.
pub(crate) fn delta(options: &cli::Delta) -> Result<()> {
    let started = Instant::now();
    let (old, new) = (Bundle::open(&options.old)?, Bundle::open(&options.new)?);
    if [&old, &new].into_iter().any(|bundle| Target::is_at(bundle, &options.output)) {
        return Err(Error::OutputIsInput { path: show::path(&options.output) });
    }
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
    if is_same(&options.delta, output) {
        return Err(Error::OutputIsInput { path: show::path(output) });
    }
    let threads = threads(options.threads);
    let id = match Target::is_at(&old, output) {
        true => {
            let target = Target::lock(output, Keep::Nothing)?;
            apply::apply(&target.bundle, &options.delta, Output::Over(&target), threads)
        }
        false => apply::apply(&old, &options.delta, Output::New(output), threads),
    }?;
    let seconds = summary::seconds(started.elapsed());
    print::text(&format!("{}: the bundle {id}, in {seconds:.1} s\n", show::path(output)))
}

/// Whether two paths are of one file that is there.
fn is_same(one: &Path, other: &Path) -> bool {
    let inode = |path: &Path| path.metadata().ok().map(|it| (it.dev(), it.ino()));
    inode(one).is_some_and(|one| inode(other) == Some(one))
}

/// The number of threads that is asked for, or one for each core.
fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    asked.unwrap_or_else(cores)
}
