//! squashfs: an image that squashfuse mounts, on machines that allow FUSE.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::run;

use crate::closures::Subject;
use crate::fixture::{beside, extracted};

/// Makes an image with blocks of 1 MiB, the largest size, and the best level of the compressor.
pub(crate) fn image(subject: &Subject, compressor: &str) -> PathBuf {
    beside(&subject.bundle, &format!("squashfs-{compressor}"), |to| make(subject, compressor, to))
}

fn make(subject: &Subject, compressor: &str, to: &Path) {
    let mut command = Command::new("mksquashfs");
    command.arg(extracted(&subject.bundle)).arg(to);
    command.args(["-quiet", "-no-progress", "-all-root", "-b", "1M", "-comp", compressor]);
    if compressor == "zstd" {
        command.args(["-Xcompression-level", "22"]);
    }
    run(&mut command).expect_code(0);
}

/// Returns the reason why this machine cannot mount an image; `None` if it can.
pub(crate) fn unavailable() -> Option<String> {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    opened.err().map(|error| format!("/dev/fuse: {error}"))
}
