//! The next start: what a bundle that is unpacked costs over running its entry directly.

use std::collections::BTreeMap;

use tests::{Bundle, Nix, User};

use crate::closures::Subject;
use crate::part::Part;
use crate::peers::{bubblewrap, squashfs, wrappe};
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Plan, Sample, Samples};
use crate::{floor, generate};

/// Rounds of one worker, and how often each host's worker has its turn: so hosts are interleaved too.
const ROUNDS: u64 = 60;
const TURNS: u64 = 10;

/// Rounds before, which load programs and warm caches up.
const WARM_UP: u64 = 5;

/// Milliseconds-long starts need fewer rounds.
const SLOW_ROUNDS: u64 = 10;

/// The entry, executed by the worker itself.
const DIRECT: &str = "the entry itself";

const EXEC: &str = "exec only";

/// A host and what is started there.
struct Scene {
    /// What its cases are called after their names.
    at: &'static str,
    stage: Stage,
    cases: Vec<(Case, Whose)>,
    rounds: u64,
}

/// Microseconds over the entry itself, by round, for each case by its whole name.
type Overheads = BTreeMap<String, Vec<f64>>;

/// Measures all modes on the hosts where they are used.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("The next start");
    let subject = Subject::of("markov", 1);
    let large = generate::LARGE.builder().pack();
    let mut scenes = vec![
        same_paths(&subject),
        other_paths(&subject),
        empty(&subject),
        absent(&subject, &large),
        memory(&subject),
    ];
    match squashfs::obstacle() {
        None => scenes.push(squashfuse(&subject)),
        Some(obstacle) => part.note(format!("squashfuse: not possible here: {obstacle}")),
    }
    let mut samples: Vec<Samples> = scenes.iter().map(|_| Samples::new()).collect();
    for _ in 0..TURNS {
        for (scene, samples) in scenes.iter().zip(&mut samples) {
            for (name, more) in scene.measure() {
                samples.entry(name).or_default().extend(more);
            }
        }
    }
    let overheads =
        scenes.iter().zip(&samples).flat_map(|(scene, samples)| scene.overheads(samples));
    let overheads: Overheads = overheads.collect();
    let whose = scenes.iter().flat_map(|scene| {
        scene.cases.iter().map(|(case, whose)| (format!("{}, {}", case.name, scene.at), *whose))
    });
    tables(&mut part, &overheads, &samples, whose.collect());
    limits(&mut part, &overheads);
    part.note("Overhead: the time from before posix_spawn until the process was waited for, less that of the \
        entry itself in the same round. The entry is a static program that only exits. All as an ordinary \
        user, if nothing else is said; page cache warm.");
    part.note("The floors are C programs in `benches/floor`, linked to musl: only the system calls that the \
        mode can't do without, with everything prepared and nothing checked.");
    part.note("makeself unpacks at every start: see its first start.");
    part
}

impl Scene {
    fn new(at: &'static str, stage: Stage, rounds: u64) -> Scene {
        Scene { at, stage, cases: Vec::new(), rounds }
    }

    fn add(&mut self, case: Case, whose: Whose) {
        self.cases.push((case, whose));
    }

    /// Adds the entry itself, and the program that does nothing but execute it.
    fn add_floor(&mut self, entry: &str) {
        let exec = self.stage.install(&floor::program("exec"), "floor/exec");
        self.add(Case::new(DIRECT, entry), Whose::Floor);
        self.add(Case::new(EXEC, exec).args([entry]), Whose::Floor);
    }

    /// Adds a bundle in this mode, unpacked.
    fn add_bundle(&mut self, name: &str, bundle: &Bundle, mode: &str) {
        let program = self.stage.install(&bundle.path, name);
        let case = Case::new(name, program).env("PACKED_MODE", mode);
        self.stage.prepare(&case, mode);
        self.add(case, Whose::Ours);
    }

    fn measure(&self) -> Samples {
        let turns = self.cases.iter().map(|(case, _)| vec![case.clone()]).collect();
        self.stage.measure(&Plan {
            rounds: self.rounds,
            warm_up: WARM_UP.min(self.rounds),
            turns,
            quiet: false,
        })
    }

    fn overheads(&self, samples: &Samples) -> Overheads {
        let direct = &samples[DIRECT];
        let others = samples.iter().filter(|(name, _)| *name != DIRECT);
        others
            .map(|(name, samples)| {
                let over = |(case, direct): (&Sample, &Sample)| {
                    (case.nanoseconds as f64 - direct.nanoseconds as f64) / 1e3
                };
                (format!("{name}, {}", self.at), samples.iter().zip(direct).map(over).collect())
            })
            .collect()
    }
}

fn same_paths(subject: &Subject) -> Scene {
    let mut scene = Scene::new("same /nix/store", Stage::new(Nix::SamePaths), ROUNDS);
    scene.add_floor(&subject.entry.display().to_string());
    scene.add_bundle("host", &subject.bundle, "host");
    scene
}

fn other_paths(subject: &Subject) -> Scene {
    let mut scene = Scene::new("other /nix/store", Stage::new(Nix::OtherPaths), ROUNDS);
    let (store, entry) = plain(&mut scene, subject);
    let program = scene.stage.install(&floor::program("overlay"), "floor/overlay");
    scene.add(Case::new("overlay only", program).args([&*store, &entry]), Whose::Floor);
    scene.add_bundle("relocate", &subject.bundle, "relocate");
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene.add(bubblewrap::over_store("bubblewrap", &store, &entry), Whose::Peer);
    scene
}

fn empty(subject: &Subject) -> Scene {
    let mut scene = Scene::new("empty /nix/store", Stage::new(Nix::Empty), ROUNDS);
    let (store, entry) = plain(&mut scene, subject);
    let program = scene.stage.install(&floor::program("bind"), "floor/bind");
    scene.add(Case::new("bind only", program).args([&*store, &entry]), Whose::Floor);
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene
}

fn absent(subject: &Subject, large: &Bundle) -> Scene {
    let mut scene = Scene::new("no /nix", Stage::new(Nix::Absent), ROUNDS);
    let (store, entry) = plain(&mut scene, subject);
    let skeleton = scene.stage.install_skeleton();
    let program = scene.stage.install(&floor::program("root"), "floor/root");
    scene.add(Case::new("new root only", program).args([&*skeleton, &store, &entry]), Whose::Floor);
    scene.add_bundle("relocate", &subject.bundle, "relocate");
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene.add_bundle("relocate, 50 000 files", large, "relocate");
    scene.add_bundle("namespace, 50 000 files", large, "namespace");
    scene.add(bubblewrap::new_root("bubblewrap", &store, &entry), Whose::Peer);
    let program = scene.stage.install(&wrappe::pack(subject), "wrappe");
    scene.add(Case::new("wrappe", program), Whose::Peer);
    scene
}

fn memory(subject: &Subject) -> Scene {
    let mut scene = Scene::new("no /nix, unpacked at each start", Stage::new(Nix::Absent), 1);
    plain(&mut scene, subject);
    scene.add_bundle("ram", &subject.bundle, "ram");
    scene
}

/// As root: /dev/fuse is not for everybody on every machine.
fn squashfuse(subject: &Subject) -> Scene {
    let stage = Stage::of(User::root(), Nix::Absent);
    let mut scene = Scene::new("as root", stage, SLOW_ROUNDS);
    plain(&mut scene, subject);
    let image = scene.stage.install(&squashfs::image(subject), "image");
    let program = scene.stage.install(&floor::program("mounted"), "floor/mounted");
    let place = scene.stage.host.directory("/root/image", 0o755);
    let place = place.display().to_string();
    let entry = format!("{place}/{}", subject.entry_below());
    let image = image.display().to_string();
    scene.add(Case::new("squashfuse", program).args([image, place, entry]), Whose::Peer);
    scene
}

/// Adds the entry outside of any store; returns the closure's store and the entry in it.
fn plain(scene: &mut Scene, subject: &Subject) -> (String, String) {
    let closure = scene.stage.install_closure(&subject.bundle);
    scene.add_floor(&format!("{closure}/{}", subject.entry_below()));
    (format!("{closure}/nix/store"), subject.entry.display().to_string())
}

fn tables(
    part: &mut Part,
    overheads: &Overheads,
    samples: &[Samples],
    whose: BTreeMap<String, Whose>,
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
    for mode in ["relocate, other /nix/store", "namespace, other /nix/store"] {
        compare(mode, "bubblewrap, other /nix/store", 0.25);
    }
    for mode in ["relocate, no /nix", "namespace, no /nix"] {
        compare(mode, "bubblewrap, no /nix", 0.25);
        compare(mode, "wrappe, no /nix", 0.1);
    }
    for mode in ["relocate", "namespace"] {
        compare(&format!("{mode}, 50 000 files, no /nix"), &format!("{mode}, no /nix"), 1.05);
    }
}
