//! Writes the results to `docs/benchmarks.md` and `docs/benchmarks.svg`.

use std::fs;
use std::path::PathBuf;

use tests::source;

use crate::part::Part;
use crate::{fixture, machine, picture};

/// Keeps the result of a part, so that the report is complete when parts are measured one at a time.
pub(crate) fn keep(name: &str, part: &Part) {
    let path = kept(name);
    fs::create_dir_all(path.parent().expect("a file has a directory")).expect("make a directory");
    let text = serde_json::to_vec_pretty(part).expect("a result is JSON");
    fs::write(path, text).expect("keep a result");
}

/// Writes the report of all parts with a result on this machine, from this run or an earlier one.
pub(crate) fn write(names: &[&str]) {
    let parts: Vec<Part> = names.iter().filter_map(|name| read(name)).collect();
    let mut text = format!(
        "# Benchmarks\n\n\
        Written by `make bench`. Machine: {}.\n\n\
        Ratios come first: figures of one run in which every case had its turn in every round, so they \
        carry over to other machines better than times do. Times are medians, with quartiles in brackets.\n\n\
        ![The start times and sizes of the tables below](benchmarks.svg)\n",
        machine::describe()
    );
    for part in &parts {
        text.push_str(&format!("\n{part}"));
    }
    let docs = source().join("docs");
    fs::write(docs.join("benchmarks.md"), text).expect("write docs/benchmarks.md");
    let charts: Vec<_> = parts.iter().flat_map(|part| &part.charts).collect();
    fs::write(docs.join("benchmarks.svg"), picture::draw(&charts))
        .expect("write docs/benchmarks.svg");
}

fn kept(name: &str) -> PathBuf {
    fixture::directory().join("results").join(format!("{name}.json"))
}

fn read(name: &str) -> Option<Part> {
    let text = fs::read(kept(name)).ok()?;
    // Ignores a result that another version of the benchmarks wrote.
    serde_json::from_slice(&text).ok()
}
