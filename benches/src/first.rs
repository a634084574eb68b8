//! The first start: compares the time of unpacking with other tools and with its own two halves.

use tests::Nix;

use crate::closures::Subject;
use crate::fixture::payload;
use crate::part::Part;
use crate::peers::{makeself, tar, wrappe};
use crate::picture::{Axis, Chart, Mark, Whose};
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;
use crate::worker::{Case, Disk, Sample, Samples};

const ROUNDS: u64 = 15;

/// The limit on the peak memory of a first start, in MiB.
const MEMORY_LIMIT: f64 = 64.0;

const TAR: &str = "tar --zstd";
const DECODE: &str = "decode alone";
const WRITE: &str = "write alone";
const MODES: [&str; 2] = ["relocate", "namespace"];

/// Measures first starts of the markov-circus closure.
pub(crate) fn measure() -> Part {
    let subject = Subject::of("markov-circus", 1);
    let stage = Stage::new(Nix::Absent);
    let cases = cases(&stage, &subject);
    let mut part = Part::new("The first start");
    let turns: Vec<Vec<Case>> = cases.iter().map(|(case, _)| vec![case.clone()]).collect();
    for (disk, name) in [(Disk::Quiet, "quiet disk"), (Disk::Busy, "busy disk")] {
        let samples = stage.measure_rounds(ROUNDS, &turns, disk);
        table(&mut part, &samples, &cases, name);
        limits(&mut part, &samples, name);
    }
    part.note("The markov-circus closure with an entry that only exits; an ordinary user without a /nix; every run into \
        an empty directory on the same disk, page cache warm. Quiet disk: sync(2) before each run. Busy disk: \
        without, so that writing back of what ran before goes on. Removing files is outside the time.");
    part.note("\"Decode alone\": the bundle's frames read and decoded to nowhere, without digests. \"Write alone\": \
        the same files with their modes and times from memory, without sync. Both on all cores.");
    part.note("nix-bundle unpacks with tar and bzip2; makeself unpacks at every start, and removes the files \
        before it ends, which is part of its time.");
    part
}

fn cases(stage: &Stage, subject: &Subject) -> Vec<(Case, Whose)> {
    let install =
        |file: &std::path::Path, name: &str| stage.install(file, name).display().to_string();
    let bundle = install(&subject.bundle.path, "bundle");
    let start = |mode: &&str| {
        let case = Case::new(mode, &*bundle).fresh(mode);
        (case.env("PACKED_MODE", mode).env("PACKED_CACHE", "{}/c"), Whose::Ours)
    };
    let mut cases: Vec<(Case, Whose)> = MODES.iter().map(start).collect();

    let archive = install(&payload(&subject.bundle), "payload.tar.zst");
    let bzip2 = install(&tar::bzip2(&subject.bundle), "closure.tar.bz2");
    let own = std::env::current_exe().expect("a program has a path");
    let own = install(&own, "benches");
    let tree = stage.install_closure(&subject.bundle);
    let offset = subject.bundle.payload().to_string();
    let decode = Case::new(DECODE, &*own).args(["decode", &bundle, &offset]).timing_itself();
    let write = Case::new(WRITE, &*own).args(["write", &tree, "{}"]).fresh("write").timing_itself();
    cases.extend([(decode, Whose::Floor), (write, Whose::Floor)]);

    let wrappe = Case::new("wrappe -c 19", install(&wrappe::pack(subject), "wrappe"));
    let makeself = Case::new("makeself --zstd", install(&makeself::pack(subject), "makeself"));
    let peers = [
        tar::unpack(TAR, "zstd", &archive),
        tar::unpack("tar -I 'zstd -T0'", "zstd -T0", &archive),
        tar::unpack("tar --bzip2 (nix-bundle)", "bzip2", &bzip2),
        wrappe.fresh("wrappe").env("TMPDIR", "{}"),
        makeself.fresh("makeself").env("TMPDIR", "{}"),
    ];
    cases.extend(peers.map(|case| (case, Whose::Peer)));
    cases
}

fn table(part: &mut Part, samples: &Samples, cases: &[(Case, Whose)], disk: &str) {
    let title = format!("First start, {disk}");
    let head = ["case", "of tar --zstd", "median ms", "quartiles ms", "peak memory MiB"];
    let mut table = Table::new(&title, &head);
    let mut marks = Vec::new();
    for (case, whose) in cases {
        let own = &samples[&case.name];
        let share = ratio(own, |round| nanoseconds(&samples[TAR][round]));
        let time = Spread::of(own.iter().map(nanoseconds)).scaled(1e-6);
        let peak = match peak(own) {
            0.0 => "–".to_owned(),
            peak => format!("{peak:.0}"),
        };
        table.row([
            case.name.clone(),
            format!("{:.2} ({:.2} – {:.2})", share.median, share.low, share.high),
            format!("{:.0}", time.median),
            format!("{:.0} – {:.0}", time.low, time.high),
            peak,
        ]);
        marks.push(Mark { label: case.name.clone(), value: time, whose: *whose });
    }
    part.tables.push(table);
    marks.sort_by(|left, right| left.value.median.total_cmp(&right.value.median));
    part.charts.push(Chart { title, unit: "ms".into(), axis: Axis::Linear, marks });
}

fn limits(part: &mut Part, samples: &Samples, disk: &str) {
    for mode in MODES {
        let own = &samples[mode];
        let of_tar = ratio(own, |round| nanoseconds(&samples[TAR][round]));
        part.limit(format!("{mode} / {TAR}, {disk}"), of_tar.median, 0.5);
        let halves = |round: usize| {
            nanoseconds(&samples[DECODE][round]) + nanoseconds(&samples[WRITE][round])
        };
        let name = format!("{mode} / ({DECODE} + {WRITE}), {disk}");
        part.limit(name, ratio(own, halves).median, 1.25);
        part.limit(format!("{mode}: peak memory in MiB, {disk}"), peak(own), MEMORY_LIMIT);
    }
}

/// Returns the ratio of each sample to a time of the same round.
pub(crate) fn ratio(samples: &[Sample], other: impl Fn(usize) -> f64) -> Spread {
    let ratios =
        samples.iter().enumerate().map(|(round, sample)| nanoseconds(sample) / other(round));
    Spread::of(ratios)
}

/// The largest peak memory, in MiB.
pub(crate) fn peak(samples: &[Sample]) -> f64 {
    samples.iter().map(|sample| sample.peak_kib).max().unwrap_or(0) as f64 / 1024.0
}

/// The time of one sample.
pub(crate) fn nanoseconds(sample: &Sample) -> f64 {
    sample.nanoseconds as f64
}
