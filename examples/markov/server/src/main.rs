//! Markov chains over HTTP, kept in redis.
//!
//! `POST /build?chainName=` adds a text to a chain, `GET /generate?numParts=&chainName=` makes one up from it. Flags,
//! interface and keys in redis are those of <https://github.com/mediocregopher/markov>. Unlike it, this one lives on
//! when redis is late or goes away: it answers 503 until redis is back.

mod chain;
mod cleaner;
mod flags;
mod http;
mod log;
mod store;

use std::process::ExitCode;

use flags::{Command, Flags};

fn main() -> ExitCode {
    match Flags::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(flags)) => match http::serve(&flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => log::failure(&error, ExitCode::FAILURE),
        },
        Ok(Command::Help) => log::usage(),
        Err(error) => log::failure(&error, ExitCode::from(2)),
    }
}
