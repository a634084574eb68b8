//! `packer completions`: prints a script that completes packer's options in a shell.

use clap::CommandFactory as _;

use super::print;
use crate::cli::{self, Cli};
use crate::error::Result;

/// Prints the completion script for a shell.
///
/// # Errors
///
/// If stdout cannot be written.
pub(crate) fn completions(options: &cli::Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "packer", &mut script);
    print::text(&String::from_utf8_lossy(&script))
}
