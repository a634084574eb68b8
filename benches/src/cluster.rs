//! A cluster: the first start of a bundle whose file is on a slow server.

use std::time::Instant;

use tests::Nix;

use crate::closures::Subject;
use crate::part::Part;
use crate::slow::{NAME, Reads, Slow};
use crate::spread::Spread;
use crate::stage::Stage;
use crate::table::Table;

const ROUNDS: usize = 5;

/// Bytes that the server gives in a second: 80 Mbit.
const RATE: u32 = 10_000_000;

/// The cases: reading the file once from its start to its end, and first starts in each mode.
const CAT: &str = "cat";
const CASES: [&str; 3] = [CAT, "relocate", "namespace"];

/// The limit on the time of a first start, as a ratio to that of reading the file.
const LIMIT: f64 = 1.25;

/// The limit on the bytes that a first start reads, as a ratio to the file's length.
const BYTES: f64 = 1.0;

/// The limit on how often a first start goes on at another offset: to the sections at the end, and back to the frames.
const JUMPS: f64 = 2.0;

/// What one case has done in one round.
struct Sample {
    seconds: f64,
    reads: Reads,
}

/// Measures first starts from a slow file.
pub(crate) fn measure() -> Part {
    let subject = Subject::of("markov-circus", 1);
    let len = std::fs::metadata(&subject.bundle.path).expect("look at the bundle").len();
    let payload = subject.bundle.payload() as u64;
    let mut samples: [Vec<Sample>; 3] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..CASES.len() {
            let case = (turn + round) % CASES.len();
            samples[case].push(sample(&subject, CASES[case]));
        }
    }
    let mut part = Part::new("A cluster");
    let head = ["case", "of cat", "median s", "bytes read of the file's", "read twice", "jumps"];
    let mut table = Table::new("First start, the bundle's file on a server with 10 MB/s", &head);
    for (name, own) in CASES.iter().zip(&samples) {
        let pairs = own.iter().zip(&samples[0]);
        let ratio = Spread::of(pairs.map(|(own, cat)| own.seconds / cat.seconds));
        let time = Spread::of(own.iter().map(|sample| sample.seconds));
        let most = |of: &dyn Fn(&Reads) -> u64| {
            own.iter().map(|sample| of(&sample.reads)).max().unwrap_or(0)
        };
        let (bytes, twice, jumps) =
            (most(&bytes), most(&twice), most(&|reads| jumps(reads, payload)));
        let share = bytes as f64 / len as f64;
        table.row([
            (*name).to_owned(),
            format!("{:.2} ({:.2} – {:.2})", ratio.median, ratio.low, ratio.high),
            format!("{:.2}", time.median),
            format!("{share:.3}"),
            twice.to_string(),
            jumps.to_string(),
        ]);
        if *name != CAT {
            part.limit(format!("{name} / {CAT}, slow file"), ratio.median, LIMIT);
            part.limit(format!("{name}: bytes read / bytes of the file"), share, BYTES);
            part.limit(format!("{name}: jumps"), jumps as f64, JUMPS);
        }
    }
    part.tables.push(table);
    part.note(format!(
        "The markov-circus closure in a file of {:.1} MB, on a file system of one file that gives 10 MB/s, one read \
         after the other, and keeps a list of them. An ordinary user without a /nix; nothing of the file is in the \
         page cache.",
        len as f64 / 1e6
    ));
    part.note("Jumps: how often a read of the payload does not begin where the one before it ended. The sections are \
        at the end of the file, so a first start goes there once and back once; the frames are read in order. The \
        stub, in front of the payload, is read by the kernel as it is executed.");
    part
}

/// Runs a case once.
fn sample(subject: &Subject, name: &str) -> Sample {
    let stage = Stage::new(Nix::Absent);
    let slow = Slow::mount(&subject.bundle.path, &stage.host.outside("/srv/slow"), RATE);
    let file = format!("/srv/slow/{NAME}");
    let start = match name {
        CAT => stage.host.start("/bin/sh").args(["-c", &format!("exec cat {file} >/dev/null")]),
        mode => stage.host.start(file).env("PACKED_MODE", mode),
    };
    let begin = Instant::now();
    start.run().expect_code(0);
    let seconds = begin.elapsed().as_secs_f64();
    Sample { seconds, reads: slow.finish() }
}

/// How many bytes were read.
fn bytes(reads: &Reads) -> u64 {
    reads.iter().map(|(_, len)| len).sum()
}

/// How many bytes were read that had been read before.
fn twice(reads: &Reads) -> u64 {
    let mut sorted = reads.clone();
    sorted.sort_unstable();
    let (mut end, mut twice) = (0, 0);
    for (offset, len) in sorted {
        twice += (offset + len).min(end).saturating_sub(offset);
        end = end.max(offset + len);
    }
    twice
}

/// How often a read of the payload did not begin where the one before it had ended.
fn jumps(reads: &Reads, payload: u64) -> u64 {
    let reads: Vec<_> = reads.iter().filter(|(offset, len)| offset + len > payload).collect();
    let is_jump = |pair: &[&(u64, u64)]| pair[0].0 + pair[0].1 != pair[1].0;
    reads.windows(2).filter(|pair| is_jump(pair)).count() as u64
}
