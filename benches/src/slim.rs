//! `--slim`: the size and the first start of bundles, whole and without what running does not need.

use std::fs;

use tests::{Bundle, Nix};

use crate::closures::Subject;
use crate::first::nanoseconds;
use crate::part::Part;
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Disk};

const ROUNDS: u64 = 5;

/// The closures, and the largest share of a whole bundle that a slim one may have.
const CLOSURES: [(&str, f64); 7] = [
    ("markov-circus", 1.0),
    ("markov-slim", 1.0),
    ("python-example", 1.0),
    ("package.git", 1.0),
    ("package.postgresql-15", 1.0),
    // Nix builds these from source first, which takes an hour.
    ("source-markov", 0.67),
    ("source-python", 0.67),
];

/// How a closure is packed: a name, and options of `packer build`.
const CHOICES: [(&str, &[&str]); 2] = [("whole", &[]), ("slim", &["--slim"])];

/// Measures all closures.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("What --slim saves");
    let (mut sizes, mut times) = (Vec::new(), Vec::new());
    for (attribute, limit) in CLOSURES {
        let (table, [bytes, starts]) = compare(&mut part, attribute, limit);
        part.tables.push(table);
        sizes.extend(bytes);
        times.extend(starts);
    }
    for (title, unit, marks) in
        [("The size of bundles", "MB", sizes), ("The first start", "ms", times)]
    {
        let title = format!("{title}, whole and slim");
        part.charts.push(Chart { title, unit: unit.into(), axis: Axis::Linear, marks });
    }
    part.note("Level 19. Those called source-… are built from source and installed whole, as in nixpkgs: markov with circus, and \
        python. The others are Debian's packages as store paths, which have no manuals or translations, and headers and \
        tests in packages of their own. First starts of an entry that only exits, \
        relocated or in a namespace, into an empty directory, as in \"The first start\". All of these closures are stripped: --strip would save \
        nothing.");
    part
}

/// Packs a closure in each way and starts it; returns a table, and marks for sizes and times.
fn compare(part: &mut Part, attribute: &str, limit: f64) -> (Table, [Vec<Mark>; 2]) {
    let stage = Stage::new(Nix::Absent);
    let bundles: Vec<(&str, Bundle)> = CHOICES
        .iter()
        .map(|(name, options)| {
            let (builder, _) = Subject::describe(attribute, 1);
            (*name, options.iter().fold(builder, |builder, option| builder.flag(option)).pack())
        })
        .collect();
    let turn: Vec<Case> = bundles
        .iter()
        .enumerate()
        .map(|(number, (name, bundle))| {
            let program = stage.install(&bundle.path, &format!("bundle-{number}"));
            let mode = if bundle.modes().iter().any(|mode| mode == "relocate") {
                "relocate"
            } else {
                "namespace"
            };
            let case = Case::new(name, program).fresh(&number.to_string());
            case.env("PACKED_MODE", mode).env("PACKED_CACHE", "{}/c")
        })
        .collect();
    let samples = stage.measure_rounds(ROUNDS, &[turn], Disk::Quiet);

    let len = |bundle: &Bundle| fs::metadata(&bundle.path).expect("a bundle is there").len();
    let whole = len(&bundles[0].1);
    let first = Spread::of(samples[bundles[0].0].iter().map(nanoseconds)).median;
    let head =
        ["bundle", "bytes", "of the whole", "files' bytes", "first start, ms", "of the whole"];
    let mut table = Table::new(attribute, &head);
    let mut marks = [Vec::new(), Vec::new()];
    for (name, bundle) in &bundles {
        let (bytes, time) = (len(bundle), Spread::of(samples[*name].iter().map(nanoseconds)));
        let share = bytes as f64 / whole as f64;
        table.row([
            (*name).to_owned(),
            bytes.to_string(),
            format!("{share:.3}"),
            bundle.inspect()["bytes_before"].to_string(),
            format!("{:.1}", time.median / 1e6),
            format!("{:.3}", time.median / first),
        ]);
        let label = format!("{attribute}, {name}");
        let size = Spread::of([bytes as f64 / 1e6]);
        marks[0].push(Mark { label: label.clone(), value: size, whose: Whose::Ours });
        marks[1].push(Mark { label, value: time.scaled(1e-6), whose: Whose::Ours });
        if *name == "slim" {
            part.limit(format!("{attribute}: slim / whole, bytes"), share, limit);
        }
    }
    (table, marks)
}
