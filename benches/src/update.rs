//! An update: the first start of a bundle whose closure differs in one small store path from an unpacked bundle.

use tests::Nix;

use crate::closures::Subject;
use crate::first::{nanoseconds, ratio};
use crate::part::Part;
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Disk};

const ROUNDS: u64 = 15;

/// Measures an update of the store path with the entry, in the markov-circus closure.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("An update");
    let stage = Stage::new(Nix::Absent);
    let subjects = [Subject::of("markov-circus", 1), Subject::of("markov", 2)];
    let programs = [1, 2].map(|version| format!("version-{version}"));
    for (subject, name) in subjects.iter().zip(&programs) {
        stage.install(&subject.bundle.path, name);
    }
    let modes = ["relocate", "namespace"];
    let turn = |mode: &str| {
        let case = |name: &String| {
            let case = Case::new(&format!("{name}, {mode}"), format!("/srv/{name}")).fresh(mode);
            case.env("PACKED_MODE", mode).env("PACKED_CACHE", "{}/c")
        };
        programs.iter().map(case).collect()
    };
    let samples = stage.measure_rounds(ROUNDS, &modes.map(turn), Disk::Quiet);

    let title = "First start of a second version, where the first is unpacked";
    let head =
        ["case", "of a full first start", "median ms", "added to the disk, bytes", "of a full one"];
    let mut table = Table::new(title, &head);
    let mut marks = Vec::new();
    for mode in modes {
        let [full, update] =
            [0, 1].map(|version| &samples[&format!("{}, {mode}", programs[version])]);
        let share = ratio(update, |round| nanoseconds(&full[round]));
        let added = update.iter().zip(full).map(|(update, full)| update.disk - full.disk);
        let added = Spread::of(added.map(|bytes| bytes as f64)).median;
        let whole = Spread::of(full.iter().map(|sample| sample.disk as f64)).median;
        for (name, samples) in [("in full", full), ("update", update)] {
            let value = Spread::of(samples.iter().map(nanoseconds)).scaled(1e-6);
            marks.push(Mark { label: format!("{mode}, {name}"), value, whose: Whose::Ours });
        }
        table.row([
            mode.to_owned(),
            format!("{:.3} ({:.3} – {:.3})", share.median, share.low, share.high),
            format!("{:.1}", Spread::of(update.iter().map(nanoseconds)).median / 1e6),
            format!("{added:.0}"),
            format!("{:.5}", added / whole),
        ]);
        part.limit(format!("{mode}: update / full first start"), share.median, 0.15);
    }
    part.tables.push(table);
    part.charts.push(Chart { title: title.into(), unit: "ms".into(), axis: Axis::Linear, marks });
    part.note("Two bundles of the markov-circus closure; the store path of the entry (a program of a few kilobytes and \
        a text) is another one. What the disk has is counted in blocks, directories and the cache's own records \
        included.");
    part
}
