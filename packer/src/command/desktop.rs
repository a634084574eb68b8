//! `packer desktop`: installs, removes and lists desktop entries of bundles, with the code of the stub.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{self, Path, PathBuf};

use runtime::desktop;

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::source::bundle::Bundle;

/// Does what the options say.
///
/// # Errors
///
/// If a bundle is no bundle, has no entries, or a file cannot be written.
pub(crate) fn desktop(options: &cli::Desktop) -> Result<()> {
    let variables = variables();
    let environment: Vec<_> = variables.iter().map(CString::as_c_str).collect();
    let text = match &options.bundle {
        Some(bundle) if options.install => {
            let path = full(bundle)?;
            let bundle = Bundle::open(bundle)?;
            let bytes = path.as_os_str().as_bytes();
            bundle.run(|payload| desktop::install(payload, &bundle.header, bytes, &environment))
        }
        Some(bundle) if options.remove => {
            // It may be gone, or another file may be there.
            let path = full(bundle)?;
            let bundle = Bundle::open(bundle).ok();
            let header = bundle.as_ref().map(|bundle| &bundle.header);
            desktop::remove(path.as_os_str().as_bytes(), header, &environment)
                .map_err(Error::Runtime)
        }
        _ => desktop::list(&environment).map_err(Error::Runtime),
    }?;
    print::text(&text)
}

/// The environment, in the form that the code of the stub reads.
pub(super) fn variables() -> Vec<CString> {
    let pairs = std::env::vars_os();
    pairs
        .filter_map(|(name, value)| {
            let bytes = [name.as_os_str(), OsStr::new("="), &value].map(OsStr::as_bytes).concat();
            CString::new(bytes).ok()
        })
        .collect()
}

/// Returns the absolute path of a file without links, as the kernel tells it to a bundle that starts; the file need not
/// exist.
fn full(path: &Path) -> Result<PathBuf> {
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let absolute = path::absolute(path).map_err(|error| Error::io("find", path, error))?;
    let directory = absolute.parent().and_then(|directory| directory.canonicalize().ok());
    Ok(match (directory, absolute.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => absolute,
    })
}
