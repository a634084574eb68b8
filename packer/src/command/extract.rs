//! `packer extract`: the closure in a bundle as files.

use std::os::unix::ffi::OsStrExt as _;

use runtime::command;

use crate::cli;
use crate::error::Result;
use crate::source::bundle::Bundle;

/// Writes the closure to `nix/store` below a directory, as the runtime unpacks it.
///
/// # Errors
///
/// If the bundle is damaged, a store path is there already, or a file cannot be written.
pub(crate) fn extract(options: &cli::Extract) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    bundle.run(|payload| command::extract(payload, options.to.as_os_str().as_bytes()))
}
