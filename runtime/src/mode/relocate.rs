//! Mode `relocate`: runs the closure from the cache, with all references rewritten to it.

use super::visible::Visible;
use crate::cache::{self, Form};
use crate::context::Context;
use crate::error::Impossible;
use crate::payload::Payload;

/// Finds the relocated closure in the cache, or unpacks it. Nothing is mounted.
///
/// # Errors
///
/// If no place can hold the cache.
pub(super) fn enter(context: &Context<'_>) -> Result<Visible, Impossible> {
    let (cache, ready) = cache::obtain(context, Form::Relocated)?;
    ready.keep(&cache)?;
    if context.log.on && context.bundle.descriptor.modes.is_namespace_first() {
        log_doubts(context);
    }
    Ok(Visible::InCache(cache.path))
}

/// Says which files may be wrong, where the packer could not prove that relocation is right.
#[cold]
fn log_doubts(context: &Context<'_>) {
    let payload = Payload::open_own(&context.bundle.descriptor);
    // The program runs without these lines, too.
    if let Ok(manifest) = payload.and_then(|payload| payload.manifest()) {
        for doubt in manifest.findings.doubts {
            context.log.debug(format_args!("doubtful after relocation: {doubt}"));
        }
    }
}
