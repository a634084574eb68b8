//! A row of the matrix: a kind of host, what is expected of bundles there, and the machine of a cell.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Directory, Ended, Host, Start, need};

use crate::column::{Form, Packed};
use crate::table::Cell;

/// A kind of host, and what is expected of bundles there.
pub(crate) struct Row {
    /// The row's name.
    pub(crate) name: &'static str,
    /// Programs that `make test` does not install: there, the row is ignored.
    pub(crate) needs: &'static [&'static str],
    /// The bundles that are started there; all of them if it names none.
    only: &'static [&'static str],
    starts: Box<Starts>,
    relocatable: Expected,
    fixed: Expected,
    /// Bundles that need something that is not there.
    except: Vec<(&'static str, Expected)>,
}

/// Starts a bundle twice on a new host, with this value of `PACKED_LOG`, and checks the program's answers: the
/// first start unpacks, the second does not.
type Starts = dyn Fn(&Packed, &str) -> [Ended; 2] + Send + Sync;

/// What comes out of starting a bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The program runs, in this mode.
    Runs(&'static str),
    /// The same, from a cache whose path begins so.
    RunsFrom(&'static str, &'static str),
    /// The program is started in this mode, and says itself what it misses.
    Lacks(&'static str, &'static str),
    /// The launcher gives up, with these two lines, in which `*` is any text.
    Refuses(&'static str),
    /// The program runs in the host's store, which the first start makes.
    Installs,
}

use Expected::{Installs, Lacks, Refuses, Runs, RunsFrom};

impl Row {
    /// Describes a host on which every bundle runs: in one mode if it can be relocated, in another if not.
    pub(crate) fn new(
        name: &'static str,
        relocatable: Expected,
        fixed: Expected,
        make: impl Fn() -> Machine + Send + Sync + 'static,
    ) -> Row {
        Row::started(name, relocatable, fixed, move |packed, log| {
            let machine = make();
            let path = packed.install(&machine);
            [0, 1].map(|_| packed.run(&machine, &path, log))
        })
    }

    /// As `new`, on a host that is no [`Machine`].
    pub(crate) fn started(
        name: &'static str,
        relocatable: Expected,
        fixed: Expected,
        starts: impl Fn(&Packed, &str) -> [Ended; 2] + Send + Sync + 'static,
    ) -> Row {
        Row {
            name,
            needs: &[],
            only: &[],
            starts: Box::new(starts),
            relocatable,
            fixed,
            except: Vec::new(),
        }
    }

    /// Says which programs the row needs that `make test` does not install.
    pub(crate) fn needing(mut self, programs: &'static [&'static str]) -> Row {
        self.needs = programs;
        self
    }

    /// Starts only these bundles.
    pub(crate) fn only(mut self, bundles: &'static [&'static str]) -> Row {
        self.only = bundles;
        self
    }

    /// Whether a bundle is started there.
    pub(crate) fn has(&self, packed: &Packed) -> bool {
        self.only.is_empty() || self.only.contains(&packed.name)
    }

    /// Expects something else of one bundle.
    pub(crate) fn except(mut self, bundle: &'static str, expected: Expected) -> Row {
        self.except.push((bundle, expected));
        self
    }

    /// Starts a bundle and compares what comes out with what is expected.
    pub(crate) fn check(&self, packed: &Packed, cell: &mut Cell<'_>) {
        need(self.needs);
        let exception = self.except.iter().find(|(name, _)| *name == packed.name);
        let expected = match (exception, packed.form) {
            (Some((_, expected)), _) => *expected,
            (None, Form::Relocatable) => self.relocatable,
            (None, Form::Fixed) => self.fixed,
        };
        // A refusal has two lines only if nothing else is said.
        let log = if matches!(expected, Refuses(_)) { "" } else { "debug" };
        for (ended, first) in (self.starts)(packed, log).iter().zip([true, false]) {
            cell.taken = taken(ended);
            expected.check(ended, first);
        }
    }
}

/// What the launcher's lines on stderr begin with.
pub(crate) const PREFIX: &str = "packed: ";

/// The rest of the launcher's last line that begins so.
fn said<'a>(stderr: &'a str, begin: &str) -> Option<&'a str> {
    stderr.lines().rev().find_map(|line| line.strip_prefix(PREFIX)?.strip_prefix(begin))
}

/// The mode that the launcher says it took, with the exit status of a program that failed, or how else the
/// launcher ended.
fn taken(ended: &Ended) -> String {
    let stderr = ended.stderr();
    match (said(&stderr, "mode "), ended.status.code(), ended.status.signal()) {
        (Some(mode), Some(0), _) => mode.to_owned(),
        (Some(mode), Some(code), _) => format!("{mode}, {code}"),
        (None, Some(125), _) => "refused".to_owned(),
        (.., Some(signal)) => format!("signal {signal}"),
        _ => ended.status.to_string(),
    }
}

impl Expected {
    /// Checks what came out of the first start on a host, or of a later one.
    fn check(self, ended: &Ended, first: bool) {
        let (stderr, taken) = (ended.stderr(), taken(ended));
        let unpacking = said(&stderr, "unpacking ");
        let all = format!("{}, expected {self:?}; on stderr:\n{stderr}", ended.status);
        match self {
            Runs(mode) => {
                assert_eq!(taken, mode, "{all}");
                let unpacks = mode == "ram" || mode != "host" && first;
                assert_eq!(unpacking.is_some(), unpacks, "{all}");
            }
            RunsFrom(mode, place) => {
                Runs(mode).check(ended, first);
                let place = format!(" to {place}");
                assert!(unpacking.is_none_or(|what| what.contains(&place)), "{all}");
            }
            Lacks(mode, what) => {
                assert!(taken.starts_with(&format!("{mode}, ")), "{all}");
                assert!(stderr.contains(what), "{all}");
            }
            Refuses(text) => {
                let (what, hint) = ended.refusal();
                let said = format!("{what}\n{hint}");
                assert!(matches(&format!("{PREFIX}{text}"), &said), "{all}");
            }
            Installs => {
                assert_eq!(taken, "host", "{all}");
                // Where each start has a new root directory, each has to.
                let is_said = stderr.contains("packed: unpacking to /nix/store, since ");
                assert!(is_said || !first, "{all}");
            }
        }
    }
}

/// Whether a text is what a pattern says.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| matches(after, &rest[at..])) || after.is_empty()
        }),
    }
}

/// A host that was made for one cell.
pub(crate) struct Machine {
    /// The host.
    pub(crate) host: Host,
    /// Where programs are started, and markov keeps its data.
    directory: PathBuf,
    prepare: Box<dyn Fn(Start) -> Start>,
    wrapper: Vec<&'static str>,
}

impl Machine {
    /// Programs are started as they are.
    pub(crate) fn new(host: Host) -> Machine {
        let directory = host.directory("/srv/data", 0o755);
        Machine { host, directory, prepare: Box::new(|start| start), wrapper: Vec::new() }
    }

    /// Changes how programs are started.
    pub(crate) fn prepared(mut self, prepare: impl Fn(Start) -> Start + 'static) -> Machine {
        self.prepare = Box::new(prepare);
        self
    }

    /// Starts programs by a command that takes the program's path as its last argument.
    pub(crate) fn under(mut self, wrapper: &[&'static str]) -> Machine {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// Starts describing how a program is started.
    pub(crate) fn start(&self, program: &Path) -> Start {
        let start = match &self.wrapper[..] {
            [] => self.host.start(program),
            [wrapper, arguments @ ..] => self.host.start(*wrapper).args(arguments).arg(program),
        };
        (self.prepare)(start.directory(Directory::At(self.directory.clone())))
    }

    /// Asks the process whose command line ends so to end; a wrapper's ends with the bundle's path.
    pub(crate) fn terminate(&self, program: &str) {
        let processes = self.host.processes();
        let found = processes.running.iter().find(|(_, line)| line.trim_end().ends_with(program));
        let (pid, _) = found.unwrap_or_else(|| panic!("no {program}: {processes:?}"));
        kill(Pid::from_raw(*pid), Signal::SIGTERM).expect("it runs");
    }
}
