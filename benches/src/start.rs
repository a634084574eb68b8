//! The next start: the overhead of an unpacked bundle, compared with running its entry directly.

mod scene;

use std::collections::BTreeMap;

use crate::closures::Subject;
use crate::generate;
use crate::part::Part;
use crate::peers::squashfs;
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spread::Spread;
use crate::table::Table;
use crate::worker::Samples;
use scene::{DIRECT, Scene};

/// The number of turns of each host's worker. The hosts take turns, too.
const TURNS: u64 = 10;

/// The overhead over the entry itself in microseconds, by round, for each case by its full name.
type Overheads = BTreeMap<String, Vec<f64>>;

/// Measures all modes, each on the hosts where bundles use it.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("The next start");
    let subject = Subject::of("markov-circus", 1);
    let large = generate::LARGE.builder().pack();
    let mut scenes = vec![
        scene::same_paths(&subject),
        scene::other_paths(&subject),
        scene::empty(&subject),
        scene::absent(&subject, &large),
        scene::memory(&subject),
    ];
    match squashfs::unavailable() {
        None => scenes.push(scene::squashfuse(&subject)),
        Some(reason) => part.note(format!("squashfuse: not possible here: {reason}")),
    }
    let mut samples: Vec<Vec<Samples>> = scenes.iter().map(|_| Vec::new()).collect();
    for turn in 0..TURNS {
        for (scene, samples) in scenes.iter().zip(&mut samples) {
            scene.measure(turn, samples);
        }
    }
    let overheads =
        scenes.iter().zip(&samples).flat_map(|(scene, samples)| scene.overheads(samples));
    let overheads: Overheads = overheads.collect();
    let whose = scenes.iter().flat_map(Scene::whose).collect();
    tables(&mut part, &overheads, &samples.concat(), &whose);
    limits(&mut part, &overheads);
    part.note("Overhead: the time from before posix_spawn until the process was waited for, less that of the \
        entry itself in the same round. The entry is a static program that only exits. All as an ordinary \
        user, if nothing else is said; page cache warm.");
    part.note("Modes take turns with their floors and the entry itself, those with a mount namespace apart from \
        those without, and so do peers: the kernel takes a mount namespace down after the process has ended, \
        and the next start would pay for it.");
    part.note("The floors are C programs in `benches/floor`, linked to musl: only the system calls that the \
        mode can't do without, with everything prepared and nothing checked.");
    part.note("makeself unpacks at every start: see its first start.");
    part
}

fn tables(
    part: &mut Part,
    overheads: &Overheads,
    samples: &[Samples],
    whose: &BTreeMap<String, Whose>,
) {
    let direct = samples.iter().flat_map(|samples| &samples[DIRECT]);
    let direct = Spread::of(direct.map(|sample| sample.nanoseconds as f64 / 1e3));
    let mut rows: Vec<(&String, Spread)> =
        overheads.iter().map(|(name, values)| (name, Spread::of(values.iter().copied()))).collect();
    rows.sort_by(|(_, left), (_, right)| left.median.total_cmp(&right.median));
    let title = "Overhead over the entry itself";
    let head = ["case", "median µs", "quartiles µs", "of the entry's own time"];
    let mut table = Table::new(title, &head);
    let mut marks = Vec::new();
    for (name, value) in rows {
        let share = format!("{:.2}", value.median / direct.median);
        let quartiles = format!("{:.0} – {:.0}", value.low, value.high);
        table.row([name.clone(), format!("{:.0}", value.median), quartiles, share]);
        marks.push(Mark { label: name.clone(), value, whose: whose[name] });
    }
    part.tables.push(table);
    let title = format!("{title}: the next start");
    part.charts.push(Chart { title, unit: "µs".into(), axis: Axis::Logarithmic, marks });
    part.note(format!(
        "The entry itself: {:.0} µs ({:.0} – {:.0}).",
        direct.median, direct.low, direct.high
    ));
}

fn limits(part: &mut Part, overheads: &Overheads) {
    let median = |name: &str| Spread::of(overheads[name].iter().copied()).median;
    let mut compare = |what: &str, floor: &str, limit: f64| {
        part.limit(format!("{what} / {floor}"), median(what) / median(floor), limit);
    };
    compare("host, same /nix/store", "exec only, same /nix/store", 2.5);
    compare("relocate, other /nix/store", "exec only, other /nix/store", 2.5);
    compare("relocate, no /nix", "exec only, no /nix", 2.5);
    compare("namespace, empty /nix/store", "bind only, empty /nix/store", 1.5);
    compare("namespace, other /nix/store", "overlay only, other /nix/store", 1.5);
    compare("namespace, no /nix", "new root only, no /nix", 1.5);
    for (mode, host) in [
        ("host, same /nix/store", "other /nix/store"),
        ("relocate, other /nix/store", "other /nix/store"),
        ("namespace, other /nix/store", "other /nix/store"),
        ("relocate, no /nix", "no /nix"),
        ("namespace, no /nix", "no /nix"),
    ] {
        compare(mode, &format!("bubblewrap, {host}"), 0.25);
        compare(mode, "wrappe, no /nix", 0.1);
    }
    for mode in ["relocate", "namespace"] {
        compare(&format!("{mode}, 50 000 files, no /nix"), &format!("{mode}, no /nix"), 1.05);
    }
}
