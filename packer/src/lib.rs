//! Turns a Nix closure into one static executable.

mod build;
mod bundle;
mod cache;
mod cli;
mod closure;
mod content;
mod descriptor;
mod entry;
mod environment;
mod error;
mod exclude;
mod extract;
mod frame;
pub mod fuzz;
mod inspect;
mod installable;
mod key;
mod modes;
mod parallel;
mod payload;
mod positional;
mod progress;
mod reference;
mod relocation;
mod resolve;
mod show;
mod store;
mod stub;
mod summary;
mod tar;
mod tree;
mod verify;
mod write;

use std::process::ExitCode;

use crate::cli::Command;

/// Does what the command line asks for, and says so if it fails.
#[must_use]
pub fn run() -> ExitCode {
    let result = cli::parse().and_then(|command| match command {
        Command::Build(options) => build::build(&options),
        Command::Inspect(options) => inspect::inspect(&options),
        Command::Verify(options) => verify::verify(&options),
        Command::Extract(options) => extract::extract(&options),
        Command::Cache(command) => cache::cache(command),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
