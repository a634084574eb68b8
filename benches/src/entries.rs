//! Several entries: the first start of a small one beside a large one.

use tests::{Bundle, Closure, Nix};

use crate::first::{nanoseconds, ratio};
use crate::part::Part;
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Disk};

const ROUNDS: u64 = 15;

/// The bundle with the larger entry alone, which unpacks all that it has.
const ALL: &str = "python, alone";

/// Measures first starts of `coreutils` beside `python`.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Several entries");
    let stage = Stage::new(Nix::Absent);
    let [coreutils, python] =
        ["coreutils", "python-example"].map(|attribute| Closure::example(attribute).path);
    let [env, script] = [coreutils.join("bin/env"), python.join("bin/python-example")];
    let [env, script] = [&env, &script].map(|entry| entry.to_str().expect("a path is text"));
    let bundle = |entries: &[&str]| {
        let bundle = Bundle::of(&Closure { path: coreutils.clone() });
        let bundle = bundle.option("--closure", &python).entries(entries).pack();
        bundle.path
    };
    let cases: Vec<Case> = [
        ("env, beside python", bundle(&[env, script])),
        ("python, beside env", bundle(&[script, env])),
        (ALL, bundle(&[script])),
    ]
    .into_iter()
    .zip(["first", "second", "third"])
    .map(|((name, file), directory)| {
        // The name chooses the entry.
        let entry = file.file_name().expect("a bundle has a name");
        let place = std::path::Path::new(directory).join(entry);
        let program = stage.install(&file, place.to_str().expect("a path is text"));
        Case::new(name, program.display().to_string()).fresh(directory).env("PACKED_CACHE", "{}/c")
    })
    .collect();
    let turns: Vec<Vec<Case>> = cases.iter().map(|case| vec![case.clone()]).collect();
    let samples = stage.measure_rounds(ROUNDS, &turns, Disk::Quiet);

    let head = ["entry", "of python, alone", "median ms", "unpacked, bytes"];
    let mut table = Table::new("First start of an entry", &head);
    for case in &cases {
        let own = &samples[&case.name];
        let share = ratio(own, |round| nanoseconds(&samples[ALL][round]));
        table.row([
            case.name.clone(),
            format!("{:.3} ({:.3} – {:.3})", share.median, share.low, share.high),
            format!("{:.1}", Spread::of(own.iter().map(nanoseconds)).median / 1e6),
            format!("{:.0}", Spread::of(own.iter().map(|sample| sample.disk as f64)).median),
        ]);
    }
    let small = ratio(&samples[&cases[0].name], |round| nanoseconds(&samples[ALL][round])).median;
    part.limit("env, beside python / python, alone".to_owned(), small, 0.5);
    part.tables.push(table);
    part.note("The closures of coreutils and of a program in Python, as one bundle with an entry of each, started by either \
        name, and with the entry in Python alone. What is unpacked is counted in blocks, directories and the cache's own \
        records included. Python's own start is part of its time.");
    part
}
