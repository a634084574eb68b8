//! Programs that cargo has built, and commands of the machine.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::ended::Ended;

/// The top of the source tree.
#[must_use]
pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is below the top")
}

/// Cargo's target directory: the one that this program was built in.
#[must_use]
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let own = env::current_exe().expect("a program has a path");
        let profile =
            own.ancestors().find(|path| path.ends_with("debug") || path.ends_with("release"));
        profile.and_then(Path::parent).expect("built by cargo").to_owned()
    })
}

/// The musl target of this machine, which static programs are built for.
#[must_use]
fn musl() -> String {
    format!("{}-unknown-linux-musl", env::consts::ARCH)
}

/// The program `packer`, as users get it.
#[must_use]
pub fn packer() -> PathBuf {
    built("release/packer", "cargo build --release -p packer")
}

/// The program `probe`, static.
#[must_use]
pub fn probe() -> PathBuf {
    let target = musl();
    let command = format!("cargo build --release -p probe --target {target}");
    built(&format!("{target}/release/probe"), &command)
}

fn built(path: &str, command: &str) -> PathBuf {
    let path = target().join(path);
    assert!(path.exists(), "{} is missing: run `{command}`", path.display());
    path
}

/// Runs a command of this machine and returns what came out of it.
#[must_use]
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    output.into()
}

/// Prints a line that is shown in every run: what `println!` prints is shown only if a test fails.
pub fn say(text: &str) {
    // In one piece, since tests run at once. A closed stdout is the runner's business.
    let _ = io::stdout().write_all(format!("{text}\n").as_bytes());
}
