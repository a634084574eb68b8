//! Programs that some tests need and `make test` does not install.

use std::env;

/// Checks that programs are on PATH.
#[track_caller]
pub fn need(programs: &[&str]) {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &&&str| {
        !env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    let missing: Vec<_> = programs.iter().filter(is_missing).collect();
    assert!(
        missing.is_empty(),
        "not on PATH: {missing:?}; `make test-hosts`, `make test-desktop` or `make test-long` installs them"
    );
}
