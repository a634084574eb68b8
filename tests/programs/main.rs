//! Programs of other people that look at argv[0], or for what is beside them: each finds it in a bundle.
//!
//! They start as an ordinary user who has no /nix, relocated and in a namespace. Where argv[0] matters, the same start
//! fails with `PACKED_ARGV0=caller`: that proves that the test can fail.

/// Busybox: the name chooses the applet.
mod busybox;
/// GNU coreutils as one program.
mod coreutils;
/// gcc's driver, which looks for cc1 where it is itself.
mod gcc;
/// A perl script with a module beside it.
mod perl;
/// initdb and a server, which look for each other and for their data.
mod postgres;
/// Python, which looks for its library above its own directory.
mod python;
/// Programs that lost their lease.
mod running;
/// Scripts that nixpkgs' makeWrapper writes.
mod wrapper;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tests::{Ended, Host, Start};

/// The modes that these programs are tested in.
const MODES: [&str; 2] = ["relocate", "namespace"];

/// Where the store paths are in a mode.
fn place(host: &Host, mode: &str) -> PathBuf {
    if mode == "relocate" { host.cache() } else { "/nix/store".into() }
}

/// Makes a link to a bundle in a directory that has only links, and returns its path.
fn link(host: &Host, bundle: &Path, name: &str) -> PathBuf {
    let path = Path::new("/srv/links").join(name);
    std::fs::create_dir_all(host.outside("/srv/links")).expect("make a directory");
    symlink(bundle, host.outside(&path)).expect("make a link");
    path
}

/// Starts a program with the caller's argv[0], and checks that it fails with this message.
#[track_caller]
fn fails_with_callers(start: Start, message: &str) {
    fails(&start.env("PACKED_ARGV0", "caller").run(), message);
}

/// Checks that a program, not the launcher, failed with this message.
#[track_caller]
fn fails(ended: &Ended, message: &str) {
    assert!(matches!(ended.status.code(), Some(1 | 127)), "{ended:?}");
    let stderr = ended.stderr();
    assert!(stderr.contains(message) && !stderr.contains("packed:"), "{stderr}");
}
