//! The hosts, and the cases on each.

use tests::{Bundle, Nix, User};

use super::Overheads;
use crate::closures::Subject;
use crate::floor;
use crate::peers::{bubblewrap, squashfs, wrappe};
use crate::picture::Whose;
use crate::stage::Stage;
use crate::worker::{self, Case, Disk, Plan, Sample, Samples};

/// The number of rounds of one worker.
const ROUNDS: u64 = 60;

/// The number of rounds before these, which are not counted: they load programs into the page cache.
const WARM_UP: u64 = 5;

/// The number of rounds for cases that take milliseconds.
const SLOW_ROUNDS: u64 = 10;

/// The case in which the worker starts the entry itself.
pub(super) const DIRECT: &str = "the entry itself";

/// A host and its cases.
pub(super) struct Scene {
    /// The host, as the second part of the cases' full names.
    at: &'static str,
    stage: Stage,
    direct: Case,
    /// Groups of cases; the cases of a group take turns with each other and with the entry itself.
    ///
    /// The kernel removes a mount namespace after its last process has ended, which slows down the next start. So
    /// cases that make a mount namespace are in other groups than cases that do not.
    groups: Vec<Vec<(Case, Whose)>>,
    rounds: u64,
}

impl Scene {
    /// Makes a scene whose entry is at `direct` on the host.
    fn new(at: &'static str, stage: Stage, direct: &str, rounds: u64) -> Scene {
        Scene { at, stage, direct: Case::new(DIRECT, direct), groups: vec![Vec::new()], rounds }
    }

    fn add(&mut self, case: Case, whose: Whose) {
        let group = self.groups.last_mut().expect("there is always one");
        group.push((case, whose));
    }

    /// Begins a new group for the cases that are added next.
    fn apart(&mut self) {
        self.groups.push(Vec::new());
    }

    /// Adds the program that only executes the entry.
    fn add_exec(&mut self, entry: &str) {
        let exec = self.stage.install(&floor::program("exec"), "floor/exec");
        self.add(Case::new("exec only", exec).args([entry]), Whose::Floor);
    }

    /// Adds a bundle in this mode, and unpacks it.
    fn add_bundle(&mut self, name: &str, bundle: &Bundle, mode: &str) {
        let program = self.stage.install(&bundle.path, name);
        let case = Case::new(name, program).env("PACKED_MODE", mode);
        self.stage.prepare(&case, mode);
        self.add(case, Whose::Ours);
    }

    /// Who each case belongs to, by its full name.
    pub(super) fn whose(&self) -> impl Iterator<Item = (String, Whose)> {
        let cases = self.groups.iter().flatten();
        cases.map(|(case, whose)| (self.name(&case.name), *whose))
    }

    fn name(&self, case: &str) -> String {
        format!("{case}, {}", self.at)
    }

    /// Runs all rounds of each group, and adds the samples to those of the group.
    pub(super) fn measure(&self, turn: u64, samples: &mut Vec<Samples>) {
        samples.resize_with(self.groups.len(), Samples::new);
        for (group, samples) in self.groups.iter().zip(samples) {
            let cases = [&self.direct].into_iter().chain(group.iter().map(|(case, _)| case));
            let more = self.stage.measure(&Plan {
                seed: turn << 32,
                rounds: self.rounds,
                warm_up: WARM_UP.min(self.rounds),
                turns: cases.map(|case| vec![case.clone()]).collect(),
                disk: Disk::Busy,
            });
            worker::add(samples, more);
        }
    }

    /// Computes the overhead of each case over the entry itself in the same round.
    pub(super) fn overheads(&self, samples: &[Samples]) -> Overheads {
        let mut overheads = Overheads::new();
        for group in samples {
            for (name, samples) in group.iter().filter(|(name, _)| *name != DIRECT) {
                let over = |(case, direct): (&Sample, &Sample)| {
                    (case.nanoseconds as f64 - direct.nanoseconds as f64) / 1e3
                };
                overheads.insert(
                    self.name(name),
                    samples.iter().zip(&group[DIRECT]).map(over).collect(),
                );
            }
        }
        overheads
    }
}

/// A host that has the closure in its own store.
pub(super) fn same_paths(subject: &Subject) -> Scene {
    let entry = subject.entry.display().to_string();
    let stage = Stage::new(Nix::SamePaths);
    let mut scene = Scene::new("same /nix/store", stage, &entry, ROUNDS);
    scene.add_exec(&entry);
    scene.add_bundle("host", &subject.bundle, "host");
    scene
}

/// A host with its own Nix store: both stores must be visible.
pub(super) fn other_paths(subject: &Subject) -> Scene {
    let stage = Stage::new(Nix::OtherPaths);
    let (mut scene, plain) = plain("other /nix/store", stage, subject, ROUNDS);
    let Plain { store, direct, entry } = plain;
    scene.add_exec(&direct);
    scene.add_bundle("relocate", &subject.bundle, "relocate");
    scene.apart();
    let program = scene.stage.install(&floor::program("overlay"), "floor/overlay");
    scene.add(Case::new("overlay only", program).args([&*store, &entry]), Whose::Floor);
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene.apart();
    scene.add(bubblewrap::over_store("bubblewrap", &store, &entry), Whose::Peer);
    scene
}

/// A host with an empty store: a start makes one mount.
pub(super) fn empty(subject: &Subject) -> Scene {
    let stage = Stage::new(Nix::Empty);
    let (mut scene, plain) = plain("empty /nix/store", stage, subject, ROUNDS);
    let program = scene.stage.install(&floor::program("bind"), "floor/bind");
    scene.add(Case::new("bind only", program).args([&*plain.store, &plain.entry]), Whose::Floor);
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene
}

/// The most common host, without Nix. The same rounds also start the bundle with 50 000 files.
pub(super) fn absent(subject: &Subject, large: &Bundle) -> Scene {
    let stage = Stage::new(Nix::Absent);
    let (mut scene, plain) = plain("no /nix", stage, subject, ROUNDS);
    let Plain { store, direct, entry } = plain;
    scene.add_exec(&direct);
    scene.add_bundle("relocate", &subject.bundle, "relocate");
    scene.add_bundle("relocate, 50 000 files", large, "relocate");
    scene.apart();
    let skeleton = scene.stage.install_skeleton();
    let program = scene.stage.install(&floor::program("root"), "floor/root");
    scene.add(Case::new("new root only", program).args([&*skeleton, &store, &entry]), Whose::Floor);
    scene.add_bundle("namespace", &subject.bundle, "namespace");
    scene.add_bundle("namespace, 50 000 files", large, "namespace");
    scene.apart();
    scene.add(bubblewrap::new_root("bubblewrap", &store, &entry), Whose::Peer);
    let program = scene.stage.install(&wrappe::pack(subject), "wrappe");
    scene.add(Case::new("wrappe", program), Whose::Peer);
    scene
}

/// The same host; the bundle uses the mode `ram`, which writes nothing to a disk.
pub(super) fn memory(subject: &Subject) -> Scene {
    let stage = Stage::new(Nix::Absent);
    let (mut scene, _) = plain("no /nix, unpacked at each start", stage, subject, 1);
    scene.add_bundle("ram", &subject.bundle, "ram");
    scene
}

/// A host of root, since some machines do not let other users open /dev/fuse.
pub(super) fn squashfuse(subject: &Subject) -> Scene {
    let stage = Stage::of(User::root(), Nix::Absent);
    let (mut scene, _) = plain("as root", stage, subject, SLOW_ROUNDS);
    let image = scene.stage.install(&squashfs::image(subject, "zstd"), "image");
    let program = scene.stage.install(&floor::program("mounted"), "floor/mounted");
    let place = scene.stage.host.directory("/root/image", 0o755);
    let place = place.display().to_string();
    let entry = format!("{place}/{}", subject.entry_below());
    let image = image.display().to_string();
    scene.add(Case::new("squashfuse", program).args([image, place, entry]), Whose::Peer);
    scene
}

/// A closure that is extracted on a host.
struct Plain {
    /// The directory with the store paths.
    store: String,
    /// The path of the entry in this directory.
    direct: String,
    /// The path of the entry in `/nix/store`, after the store is made visible there.
    entry: String,
}

/// Extracts the closure on a host; returns a scene with its entry.
fn plain(at: &'static str, stage: Stage, subject: &Subject, rounds: u64) -> (Scene, Plain) {
    let closure = stage.install_closure(&subject.bundle);
    let direct = format!("{closure}/{}", subject.entry_below());
    let entry = subject.entry.display().to_string();
    let scene = Scene::new(at, stage, &direct, rounds);
    (scene, Plain { store: format!("{closure}/nix/store"), direct, entry })
}
