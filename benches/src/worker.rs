//! The worker: starts programs on a host in turn, and measures each.
//!
//! It is a separate, small process, because the peak memory of a child is never below that of its parent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, stdin, stdout};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::sync;
use serde::{Deserialize, Serialize};

use crate::spawn::{self, Program, c_string, variable};

/// The work of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Determines the order of the turns in each round.
    pub(crate) seed: u64,
    /// How often to start each case.
    pub(crate) rounds: u64,
    /// The number of rounds before these, which are not counted.
    pub(crate) warm_up: u64,
    /// The turns of a round. Their order changes from round to round; the order of cases inside a turn stays.
    pub(crate) turns: Vec<Vec<Case>>,
    pub(crate) disk: Disk,
}

/// The state of the disk when a case starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Disk {
    /// Idle: sync(2) has written everything back.
    Quiet,
    /// The kernel may still write back files of earlier cases.
    Busy,
}

/// A program to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// The arguments; `{}` stands for the case's directory.
    pub(crate) arguments: Vec<String>,
    /// Variables that are added to the worker's environment; `{}` stands for the case's directory.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) clock: Clock,
    /// The name of a directory that is made in every round; cases of a turn with the same name share it.
    pub(crate) directory: Option<String>,
}

/// Who measures the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Clock {
    /// The worker measures the whole process.
    Outside,
    /// The program measures itself without its preparation, and prints nanoseconds.
    Inside,
}

/// One start of one case.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) nanoseconds: u64,
    /// See [`spawn::Ended::peak`]; 0 if the program measures itself.
    pub(crate) peak_kib: u64,
    /// Bytes on the disk in the case's directory after the start; 0 without a directory.
    pub(crate) disk: u64,
}

/// The samples of each case, by round.
pub(crate) type Samples = BTreeMap<String, Vec<Sample>>;

/// Appends samples of further rounds.
pub(crate) fn add(samples: &mut Samples, more: Samples) {
    more.into_iter().for_each(|(name, more)| samples.entry(name).or_default().extend(more));
}

impl Case {
    /// Makes a case without arguments.
    pub(crate) fn new(name: &str, program: impl Into<PathBuf>) -> Case {
        Case {
            name: name.to_owned(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clock: Clock::Outside,
            directory: None,
        }
    }

    pub(crate) fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Case {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Case {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the case a new directory in every round.
    pub(crate) fn fresh(mut self, directory: &str) -> Case {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Lets the program measure itself.
    pub(crate) fn timing_itself(mut self) -> Case {
        self.clock = Clock::Inside;
        self
    }
}

/// Reads a plan from stdin, runs it and writes the samples to stdout.
pub(crate) fn main() {
    let plan: Plan = serde_json::from_reader(stdin()).expect("the plan is on stdin");
    // A short path: a rewritten reference is as long as the original one, which limits the length of the cache path.
    let top = std::env::current_dir().expect("there is a working directory").join("r");
    let null = OpenOptions::new().write(true).open("/dev/null").expect("open /dev/null");
    let mut samples = Samples::new();
    for round in 0..plan.warm_up + plan.rounds {
        let place = top.join(round.to_string());
        for turn in shuffled(plan.turns.len(), plan.seed ^ round) {
            for case in &plan.turns[turn] {
                let directory = case.directory.as_ref().map(|name| place.join(name));
                directory
                    .iter()
                    .for_each(|path| fs::create_dir_all(path).expect("make a directory"));
                if plan.disk == Disk::Quiet {
                    sync();
                }
                let mut sample = case.start(directory.as_deref(), &null);
                sample.disk = directory.as_deref().map_or(0, |path| {
                    disk(path, &mut BTreeSet::new()).expect("look at what was written")
                });
                if round >= plan.warm_up {
                    samples.entry(case.name.clone()).or_default().push(sample);
                }
            }
            remove(&place).expect("remove what was written");
        }
    }
    remove(&top).expect("remove what was written");
    serde_json::to_writer(stdout(), &samples).expect("write samples");
}

impl Case {
    fn start(&self, directory: Option<&Path>, null: &File) -> Sample {
        let place = directory.map_or(String::new(), |path| path.display().to_string());
        let arguments: Vec<String> =
            self.arguments.iter().map(|argument| argument.replace("{}", &place)).collect();
        let added =
            self.environment.iter().map(|(name, value)| (name, value.replace("{}", &place)));
        if self.clock == Clock::Inside {
            let output = Command::new(&self.program).args(&arguments).envs(added).output();
            let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            let text = String::from_utf8_lossy(&output.stdout);
            let nanoseconds = text.trim().parse().unwrap_or_else(|_| {
                panic!("{}: {text}{}", self.name, String::from_utf8_lossy(&output.stderr))
            });
            return Sample { nanoseconds, peak_kib: 0, disk: 0 };
        }
        let path = self.program.display().to_string();
        let program = Program {
            arguments: [path.clone()].into_iter().chain(arguments).map(c_string).collect(),
            path: c_string(path),
            environment: std::env::vars()
                .chain(added.map(|(name, value)| (name.clone(), value)))
                .map(|(name, value)| variable(&name, &value))
                .collect(),
        };
        let ended = spawn::run(&program, null)
            .unwrap_or_else(|errno| panic!("{}: {}: {errno}", self.name, self.program.display()));
        assert_eq!(ended.code, Some(0), "{} failed in {place}", self.name);
        let nanoseconds = ended.took.as_nanos().try_into().expect("nothing runs for centuries");
        Sample { nanoseconds, peak_kib: ended.peak, disk: 0 }
    }
}

/// Returns the numbers below `count`, in an order that depends on `seed`.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for last in (1..count).rev() {
        // xorshift64: Marsaglia, "Xorshift RNGs", 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let below = u64::try_from(last + 1).unwrap_or(1);
        order.swap(last, usize::try_from(state % below).unwrap_or(0));
    }
    order
}

/// Returns the bytes that a tree takes on the disk; counts a file with several names once.
fn disk(path: &Path, seen: &mut BTreeSet<u64>) -> io::Result<u64> {
    let meta = path.symlink_metadata()?;
    if meta.nlink() > 1 && !meta.is_dir() && !seen.insert(meta.ino()) {
        return Ok(0);
    }
    let mut bytes = meta.blocks() * 512;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += disk(&entry?.path(), seen)?;
        }
    }
    Ok(bytes)
}

/// Removes a tree, also if its directories are read-only.
fn remove(path: &Path) -> io::Result<()> {
    fn unlock(path: &Path) -> io::Result<()> {
        if path.symlink_metadata()?.is_dir() {
            fs::set_permissions(path, Permissions::from_mode(0o755))?;
            for entry in fs::read_dir(path)? {
                unlock(&entry?.path())?;
            }
        }
        Ok(())
    }
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    unlock(path)?;
    fs::remove_dir_all(path)
}
