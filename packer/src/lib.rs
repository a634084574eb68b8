//! Turns a Nix closure into one static executable.

mod cli;
mod command;
mod elf;
mod error;
pub mod fuzz;
mod http;
mod output;
mod parallel;
mod plan;
mod progress;
mod registry;
mod sbom;
mod scan;
mod show;
mod source;
mod trust;
mod unfinished;
mod update;
mod user_cache;

use std::process::ExitCode;

use cli::Command;
use command::{
    build, cache, completions, desktop, extract, find, image, inspect, keygen, man, pull, push,
    sign, unit, verify,
};

/// Runs the command that the command line names; prints an error message if it fails.
#[must_use]
pub fn run() -> ExitCode {
    let result = cli::parse().and_then(|command| match command {
        Command::Build(options) => build::build(&options),
        Command::Find(options) => find::find(&options),
        Command::Image(options) => image::image(&options),
        Command::Inspect(options) => inspect::inspect(&options),
        Command::Verify(options) => verify::verify(&options),
        Command::Extract(options) => extract::extract(&options),
        Command::Cache(command) => cache::cache(command),
        Command::Push(options) => push::push(&options),
        Command::Pull(options) => pull::pull(&options),
        Command::Sbom(options) => command::sbom::sbom(&options),
        Command::Keygen(options) => keygen::keygen(&options),
        Command::Sign(options) => sign::sign(&options),
        Command::Unit(options) => unit::unit(&options),
        Command::Update(options) => command::update::update(&options),
        Command::Delta(options) => command::delta::delta(&options),
        Command::Apply(options) => command::delta::apply(&options),
        Command::Diff(options) => command::diff::diff(&options),
        Command::Desktop(options) => desktop::desktop(&options),
        Command::Completions(options) => completions::completions(&options),
        Command::Man(options) => man::man(&options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
