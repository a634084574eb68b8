//! `packer extract`: unpacks the closure of a bundle to a directory.

use std::os::unix::ffi::OsStrExt as _;

use runtime::command;

use crate::cli;
use crate::error::Result;
use crate::source::bundle::Bundle;

/// Unpacks the closure to `nix/store` below a directory, with the code of the stub.
///
/// # Errors
///
/// If the bundle is damaged, a store path already exists there, or a file cannot be written.
pub(crate) fn extract(options: &cli::Extract) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    bundle.run(|payload| command::extract(payload, options.to.as_os_str().as_bytes()))
}
