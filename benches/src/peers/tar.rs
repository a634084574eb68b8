//! GNU tar and a compressor: the time of unpacking a closure without a launcher.

use std::path::PathBuf;

use tests::Bundle;

use crate::fixture::{beside, extracted, shell};
use crate::worker::Case;

/// Packs the closure as nix-bundle does: tar and bzip2, without hard links.
pub(crate) fn bzip2(bundle: &Bundle) -> PathBuf {
    beside(bundle, "closure.tar.bz2", |to| {
        let line = "tar --hard-dereference -C \"$1\" -cjf \"$2\" nix";
        shell(line, &[&extracted(bundle), to]);
    })
}

/// Packs the closure as GNU tar does if it is asked for an order.
pub(crate) fn zstd(bundle: &Bundle) -> PathBuf {
    beside(bundle, "closure.tar.zst", |to| {
        let line = "tar --sort=name -C \"$1\" -I 'zstd -19' -cf \"$2\" nix";
        shell(line, &[&extracted(bundle), to]);
    })
}

/// Makes a case that unpacks an archive to the case's directory.
pub(crate) fn unpack(name: &str, decompress: &str, archive: &str) -> Case {
    let case = Case::new(name, "/usr/bin/tar").fresh(name);
    case.args(["-I", decompress, "-C", "{}", "-xf", archive])
}
