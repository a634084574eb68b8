//! Measures bundles and their peers on the same closures, in one run: `make bench`.
//!
//! ```text
//! part     what it measures               stage   a host with a worker on it
//!   start    the next start               worker  starts programs in turn and times each
//!   first    the first start              spawn   one program: its time, its peak memory
//!   update   a changed store path         spread  many samples → median and quartiles
//!   pack     the time to pack             report  tables → docs/benchmarks.md
//!   size     the size of bundles          picture charts → docs/benchmarks.svg
//!   scale    many files, large files
//!   cluster  the first start from a slow file   slow    the slow file
//!   compose  services that start together
//!   image    OCI images
//!   slim     what --slim saves
//!   cache    binary caches
//!   update-http  updates over HTTP
//!   delta    updates as files
//!   entries  several entries in one bundle
//! ```
//!
//! Each part compares cases in the same run. One round starts every case once; the order changes from round to
//! round. Ratios compare samples of the same round, so other load on the machine affects both alike.

// A benchmark that fails may panic and print: its user is a developer.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod bare;
mod binary_cache;
mod closures;
mod cluster;
mod compose;
mod delta;
mod entries;
mod first;
mod fixture;
mod floor;
mod generate;
mod image;
mod machine;
mod pack;
mod part;
mod peers;
mod picture;
mod report;
mod scale;
mod size;
mod slim;
mod slow;
mod spawn;
mod spread;
mod stage;
mod start;
mod table;
mod turns;
mod update;
mod update_http;
mod worker;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use part::Part;

/// A function that measures a part.
type Measure = fn() -> Part;

/// The parts, in the order of the report.
const PARTS: [(&str, Measure); 14] = [
    ("start", start::measure),
    ("first", first::measure),
    ("entries", entries::measure),
    ("update", update::measure),
    ("delta", delta::measure),
    ("pack", pack::measure),
    ("size", size::measure),
    ("scale", scale::measure),
    ("cluster", cluster::measure),
    ("compose", compose::measure),
    ("image", image::measure),
    ("cache", binary_cache::measure),
    ("slim", slim::measure),
    ("update-http", update_http::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // This program starts itself on a host.
        ["worker"] => worker::main(),
        ["decode", bundle, payload] => bare::decode(Path::new(bundle), payload),
        ["write", from, to] => bare::write(Path::new(from), Path::new(to)),
        _ => return measure(&arguments),
    }
    ExitCode::SUCCESS
}

/// Measures the parts with these names; without names, all parts.
fn measure(names: &[&str]) -> ExitCode {
    let known = |name: &&str| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let parts = PARTS.map(|(part, _)| part).join(" ");
        eprintln!("{unknown} is not a part\nhint: the parts are {parts}");
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
