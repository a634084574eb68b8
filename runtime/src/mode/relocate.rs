//! Mode `relocate`: runs the closure from the cache, with all references rewritten to it.

use super::visible::Visible;
use crate::cache::{self, Form};
use crate::context::Context;
use crate::error::Impossible;

/// Finds the relocated closure in the cache, or unpacks it. Nothing is mounted.
///
/// # Errors
///
/// If no place can hold the cache.
pub(super) fn enter(context: &Context<'_>) -> Result<Visible, Impossible> {
    let (cache, ready) = cache::obtain(context, Form::Relocated)?;
    ready.keep(&cache)?;
    Ok(Visible::InCache(cache.path))
}
