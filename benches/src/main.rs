//! Measures bundles and their peers on the same closures, in one run: `make bench`.
//!
//! ```text
//! part     which question is answered     stage   where it is: a host with a worker on it
//!   start    the next start               worker  starts programs in turn and times each
//!   first    the first start              spawn   one program: its time, its peak memory
//!   update   one store path is another    spread  many samples → median and quartiles
//!   size     bytes                        report  tables → docs/benchmarks.md
//!   scale    many files, large files      picture charts → docs/benchmarks.svg
//! ```
//!
//! Every part compares in the same run: one round starts every case once, in an order that changes from
//! round to round, and ratios are taken inside a round. So what disturbs the machine disturbs all alike.

// A bench that can't do its work stops and says why; it talks to a person.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod bare;
mod closures;
mod first;
mod fixture;
mod floor;
mod generate;
mod machine;
mod part;
mod peers;
mod picture;
mod report;
mod scale;
mod size;
mod spawn;
mod spread;
mod stage;
mod start;
mod table;
mod update;
mod worker;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use part::Part;

/// Does the work of a part.
type Measure = fn() -> Part;

/// The parts, in the order of the report.
const PARTS: [(&str, Measure); 5] = [
    ("start", start::measure),
    ("first", first::measure),
    ("update", update::measure),
    ("size", size::measure),
    ("scale", scale::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // The program itself, on a host.
        ["worker"] => worker::main(),
        ["decode", bundle, payload] => bare::decode(Path::new(bundle), payload),
        ["write", from, to] => bare::write(Path::new(from), Path::new(to)),
        _ => return measure(&arguments),
    }
    ExitCode::SUCCESS
}

/// Measures the parts that are named, or all.
fn measure(names: &[&str]) -> ExitCode {
    let known = |name: &&str| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let parts = PARTS.map(|(part, _)| part).join(" ");
        eprintln!("{unknown} is no part\nhint: the parts are {parts}");
        return ExitCode::FAILURE;
    }
    for (name, measure) in PARTS {
        if names.is_empty() || names.contains(&name) {
            let part = measure();
            println!("{part}");
            report::keep(name, &part);
        }
    }
    report::write(&PARTS.map(|(name, _)| name));
    ExitCode::SUCCESS
}
