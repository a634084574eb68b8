//! Mode `relocate`: the closure runs from the cache, with all references rewritten to it.

use super::visible::Visible;
use crate::cache::{self, Form};
use crate::context::Context;
use crate::error::Impossible;

/// Finds the relocated closure in the cache, or unpacks it: nothing has to be mounted.
///
/// # Errors
///
/// If no cache can hold it.
pub(super) fn enter(context: &Context<'_>) -> Result<Visible, Impossible> {
    let (cache, ready) = cache::obtain(context, Form::Relocated)?;
    ready.keep(&cache)?;
    Ok(Visible::InCache(cache.path))
}
