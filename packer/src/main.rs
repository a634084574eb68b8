//! Turns a Nix closure into one static executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    packer::run()
}
