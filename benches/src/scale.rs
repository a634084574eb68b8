//! Large closures: checks that time grows no faster than the size, and that memory does not grow.

use std::fs;
use std::path::Path;

use tests::{Bundle, Nix};

use crate::first::{nanoseconds, peak};
use crate::fixture::directory;
use crate::generate::{self, Shape};
use crate::part::Part;
use crate::spawn;
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Disk, Sample};

const ROUNDS: u64 = 3;

/// The limit on the peak memory of a first start, in MiB.
const MEMORY_LIMIT: f64 = 64.0;

/// The limit on the ratio of times when the size doubles: 10 % more than twice as long.
const DOUBLE: f64 = 2.2;

/// Measured times of one closure, in seconds.
struct Figures {
    pack: f64,
    first: f64,
}

/// Measures generated closures.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Scale");
    let head = [
        "closure",
        "pack s",
        "pack, peak MiB",
        "mode",
        "first start s",
        "peak MiB",
        "next start ms",
    ];
    let mut table = Table::new("Generated closures, packed at level 3", &head);
    let mut measure = |shape: Shape| closure(&mut part, &mut table, shape);
    let [half, whole] = [generate::HALF, generate::LARGE].map(&mut measure);
    let [some, many] = [generate::SOME_PATHS, generate::MANY_PATHS].map(&mut measure);
    measure(generate::SPARSE);
    for (what, single, double) in [("files", half, whole), ("store paths", some, many)] {
        part.limit(format!("twice the {what}: pack time"), double.pack / single.pack, DOUBLE);
        part.limit(format!("twice the {what}: first start"), double.first / single.first, DOUBLE);
    }
    part.tables.push(table);
    part.note("Files of words, 20 KB on average and 100 in a directory, spread over the store paths; one of eight \
        refers to its store path. An ordinary user without a /nix; sync(2) before each run; what is packed is in the page cache.");
    part
}

fn closure(part: &mut Part, table: &mut Table, shape: Shape) -> Figures {
    let output = directory().join(format!("scale-{}", shape.name));
    shape.warm_up();
    let packed = spawn::timed(shape.builder().command().arg("--output").arg(&output));
    let pack = packed.took.as_secs_f64();
    let bundle = Bundle { path: output };

    let stage = Stage::new(Nix::Absent);
    let program = stage.install(&bundle.path, "bundle");
    let modes = ["relocate", "namespace"];
    let turns = modes.map(|mode| starts(mode, &program));
    let samples = stage.measure_rounds(ROUNDS, &turns, Disk::Quiet);
    fs::remove_file(&bundle.path).expect("remove a bundle");
    let median = |samples: &[Sample]| Spread::of(samples.iter().map(nanoseconds)).median / 1e9;
    let mut slowest: f64 = 0.0;
    for mode in modes {
        let first = &samples[&format!("first, {mode}")];
        let next = &samples[&format!("next, {mode}")];
        table.row([
            shape.describe(),
            format!("{pack:.1}"),
            format!("{:.0}", packed.peak as f64 / 1024.0),
            mode.to_owned(),
            format!("{:.2}", median(first)),
            format!("{:.0}", peak(first)),
            format!("{:.2}", median(next) * 1e3),
        ]);
        slowest = slowest.max(median(first));
        let name = format!("{}, {mode}: peak memory of the first start in MiB", shape.describe());
        part.limit(name, peak(first), MEMORY_LIMIT);
    }
    Figures { pack, first: slowest }
}

/// Makes the cases of a first start and the next start in the same cache.
fn starts(mode: &str, program: &Path) -> Vec<Case> {
    let case = |name: &str| {
        let case = Case::new(&format!("{name}, {mode}"), program).fresh(mode);
        case.env("PACKED_MODE", mode).env("PACKED_CACHE", "{}/c")
    };
    vec![case("first"), case("next")]
}
