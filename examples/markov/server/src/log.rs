//! What a person sees: on stderr, except the help that was asked for.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "this is where the program talks")]

use std::fmt::Display;
use std::process::ExitCode;

use crate::flags::USAGE;

/// Prints one line about what happens.
pub(crate) fn line(text: impl Display) {
    eprintln!("markov-server: {text}");
}

/// Prints an error with its hint; returns the status to exit with.
pub(crate) fn failure(error: &impl Display, status: ExitCode) -> ExitCode {
    line(error);
    status
}

/// Prints the flags on stdout.
pub(crate) fn usage() -> ExitCode {
    println!("{USAGE}");
    ExitCode::SUCCESS
}
