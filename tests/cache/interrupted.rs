//! A first start that is killed at any of its system calls, or of which any fails, does no harm: the next one
//! works, and nothing is left but the cache.
//!
//! strace(1) counts the calls of each name by thread, so the starts are given one processor, which makes one
//! thread.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use tests::{Bundle, Host, Nix, Store, User, say};

/// Starts the program `$0` with the processor `$1` under strace with the options that follow, starts it again,
/// and lists what is then different from before: mounts and files.
const SCRIPT: &str = r#"mounts=$(cat /proc/self/mountinfo); processor=$1; shift
    taskset -c $processor strace "$@" -- "$0" files 0; echo "status $?"
    "$0" files 0 2>&1; echo "status $?"
    [ "$mounts" = "$(cat /proc/self/mountinfo)" ] || echo "other mounts"
    find $HOME /tmp /var/tmp /srv \( -type d -printf '%p %M %TY\n' -o -printf '%p %M %TY %s %l\n' \)"#;

/// A system call of a first start.
struct Call {
    name: String,
    /// How many of that name there are up to this one.
    count: usize,
    /// Whether it makes or writes a file, and so needs room on a disk.
    writes: bool,
}

/// Where a bundle is started for the first time, again and again.
struct Starts {
    host: Host,
    program: PathBuf,
    mode: &'static str,
    /// What the program prints.
    printed: String,
    /// What is left by a start that nothing happened to.
    left: String,
}

/// What came out of a start that was interrupted, and of the next one: its status and what it printed.
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
    next: (String, String),
    left: String,
}

impl Starts {
    fn new(mode: &'static str, user: User) -> Starts {
        let host = Host::new(user, Nix::Absent);
        let program = install(&host);
        let mut starts =
            Starts { host, program, mode, printed: String::new(), left: String::new() };
        // strace says something only of the calls that are asked for.
        let clean = starts.start(0, &["-e", "trace=none", "-o", "/dev/null"]);
        assert_eq!(clean.status, 0, "{}", clean.stderr);
        assert!(clean.stdout.lines().count() > 5, "{}", clean.stdout);
        (starts.printed, starts.left) = (clean.stdout, clean.left);
        starts
    }

    /// The calls from the start's own beginning up to the program's execution.
    fn calls(&self) -> Vec<Call> {
        let log = self.host.home("log");
        self.start(0, &["-o", log.to_str().expect("a path of letters")]);
        let log = self.host.outside(log);
        let text = fs::read_to_string(&log).expect("strace has written a log");
        fs::remove_file(log).expect("remove the log");
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut calls = Vec::new();
        // The first line is the execution of the bundle itself, which strace does not count.
        for line in text.lines().skip(1) {
            let Some((name, _)) = line.split_once('(') else { continue };
            // strace 6.1 does not know lsm_get_self_attr(2), which only asks, and cannot interrupt it.
            if name == "syscall_0x1cb" {
                continue;
            }
            let count = counts.entry(name).or_default();
            *count += 1;
            let writes = WRITING.contains(&name) || line.contains("O_CREAT");
            calls.push(Call { name: name.to_owned(), count: *count, writes });
            if name == "execve" {
                return calls;
            }
        }
        panic!("the program is not executed:\n{text}");
    }

    /// Starts it for the first time, with what strace does to it.
    fn start(&self, number: usize, strace: &[&str]) -> Outcome {
        for directory in [self.host.user.home(), Path::new("/tmp"), Path::new("/var/tmp")] {
            for entry in fs::read_dir(self.host.outside(directory)).expect("list a directory") {
                fs::remove_dir_all(entry.expect("list a directory").path()).expect("remove it");
            }
        }
        let start = self.host.start("/bin/sh").args(["-c", SCRIPT]).arg(&self.program);
        let processor = number % thread::available_parallelism().map_or(1, NonZero::get);
        let start = start.arg(processor.to_string()).args(strace);
        let ended = start.env("PACKED_MODE", self.mode).run();
        let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), ended.stderr());
        let parts: Vec<&str> = stdout.splitn(3, "status ").collect();
        let [stdout, first, next] = parts[..] else { panic!("{stdout}\n{stderr}") };
        let (status, next_stdout) = first.split_once('\n').expect("a status and a line's end");
        let (next_status, left) = next.split_once('\n').expect("a status and a line's end");
        let mut left: Vec<&str> = left.lines().collect();
        left.sort_unstable();
        let processes = self.host.processes();
        assert!(processes.running.is_empty(), "{processes:?}");
        Outcome {
            status: status.parse().expect("a status is a number"),
            stdout: stdout.to_owned(),
            stderr,
            next: (next_status.to_owned(), next_stdout.to_owned()),
            left: left.join("\n"),
        }
    }
}

/// Installs a bundle with everything that takes system calls of its own: two store paths, a file of several
/// frames, an empty one, links, the same content twice.
fn install(host: &Host) -> PathBuf {
    let store = Store::new();
    let at = |name: &str| format!("{}/{name}", Store::PATH);
    store.program(at("bin/probe"), &tests::probe());
    store.file(at("share/large"), &vec![0; 17 << 20]);
    store.file(at("share/empty"), b"");
    store.file(at("share/same/one"), b"the same");
    store.file(at("share/same/two"), b"the same");
    store.link(at("share/other"), format!("/nix/store/{}", Store::OTHER).as_bytes());
    store.file(format!("{}/greeting", Store::OTHER), b"hello\n");
    let bundle = Bundle::of_store(&store, Store::PATH).entry("/bin/probe");
    host.install(bundle.pack_into(store.root()).path)
}

/// Kills a first start at each of its calls.
fn killed(mode: &'static str, user: User) {
    let starts = Starts::new(mode, user);
    let calls = starts.calls();
    for (number, Call { name, count, .. }) in calls.iter().enumerate() {
        let point = format!("{mode} on {}, killed at {name} {count}", starts.host);
        let inject = format!("inject={name}:signal=KILL:when={count}");
        let outcome = starts.start(number, &["-o", "/dev/null", "-e", &inject]);
        let Outcome { status, stdout, stderr, .. } = &outcome;
        assert_eq!((*status, stdout.as_str()), (137, ""), "{point}: {stderr}");
        assert_eq!(outcome.next, ("0".to_owned(), starts.printed.clone()), "{point}");
        assert_eq!(outcome.left, starts.left, "{point}");
    }
    say(&format!("killed at {} calls: {mode} on {}", calls.len(), starts.host));
}

/// What the kernel can say to almost any call: the error, how the launcher's C library calls it, and what a
/// hint then has to say.
const ERRORS: [(Errno, &str, &[&str]); 5] = [
    (Errno::EIO, "I/O error", &["dmesg"]),
    (Errno::ENOSPC, "No space left on device", &["make room for 18.5 MB and 12 files in /"]),
    (Errno::EMFILE, "No file descriptors available", &["ulimit -n"]),
    (Errno::EACCES, "Permission denied", &["PACKED_CACHE", "chmod +r", "as root"]),
    (Errno::EINTR, "Interrupted system call", &["start it again"]),
];

/// Calls that always do what they are asked for: close(2), umask(2), getuid(2), getrlimit(2) of a process's own limits
/// and, at the C library's start, two more.
const SURE: [&str; 7] =
    ["arch_prctl", "close", "getegid", "geteuid", "prlimit64", "set_tid_address", "umask"];

/// Calls that need room on a disk.
const WRITING: [&str; 6] = ["linkat", "mkdirat", "pwrite64", "renameat", "renameat2", "symlinkat"];

/// Those for memory; the allocator has one text for all their errors.
const MEMORY: [&str; 3] = ["brk", "mmap", "munmap"];

/// Makes each call of a first start fail, with the errors whose numbers `choose` returns for it.
fn failing(mode: &'static str, user: User, choose: fn(usize) -> Range<usize>) {
    let starts = Starts::new(mode, user);
    let mut calls = starts.calls();
    calls.retain(|call| !SURE.contains(&call.name.as_str()));
    let [mut injected, mut reported] = [0; 2];
    for (number, Call { name, count, writes }) in calls.iter().enumerate() {
        for (errno, text, hints) in &ERRORS[choose(number)] {
            if *errno == Errno::ENOSPC && !writes {
                continue;
            }
            let point = format!("{mode} on {}, {errno:?} at {name} {count}", starts.host);
            let inject = format!("inject={name}:error={errno:?}:when={count}");
            let outcome = starts.start(number, &["-o", "/dev/null", "-e", &inject]);
            injected += 1;
            if outcome.status == 0 {
                assert_eq!(outcome.stdout, starts.printed, "{point}");
            } else {
                // env(1)'s status, if it is the program's execution.
                let status = if name == "execve" { 126 } else { 125 };
                assert_eq!((outcome.status, outcome.stdout.as_str()), (status, ""), "{point}");
                let lines: Vec<&str> = outcome.stderr.lines().collect();
                let [what, hint] = lines[..] else { panic!("{point}: {}", outcome.stderr) };
                let is_memory = MEMORY.contains(&name.as_str());
                let text = if is_memory { "out of memory" } else { text };
                assert!(what.contains(text), "{point}: {what}");
                let is_said = hints.iter().any(|text| hint.contains(text));
                assert!(is_memory || is_said, "{point}: {what}\n{hint}");
                reported += 1;
            }
            assert_eq!(outcome.next, ("0".to_owned(), starts.printed.clone()), "{point}");
            // If it could not be where it should, the cache is in another place; half of it may be in the first.
            let other = |line: &&str| !starts.left.contains(*line) && !line.contains("/packed");
            let work = |line: &&str| line.contains("/.packed-");
            let odd: Vec<&str> = outcome.left.lines().filter(|l| other(l) || work(l)).collect();
            assert!(odd.is_empty(), "{point}: {odd:#?}");
        }
    }
    let host = &starts.host;
    say(&format!("{injected} errors injected, {reported} reported: {mode} on {host}"));
}

#[test]
fn a_relocating_start_is_killed_anywhere() {
    killed("relocate", User::ordinary());
}

#[test]
fn a_start_in_a_namespace_is_killed_anywhere() {
    killed("namespace", User::ordinary());
}

#[test]
#[ignore = "long: make test-long"]
fn a_start_in_roots_namespace_is_killed_anywhere() {
    killed("namespace", User::root());
}

#[test]
#[ignore = "long: make test-long"]
fn a_start_in_memory_is_killed_anywhere() {
    killed("ram", User::ordinary());
}

/// One error for each call, each in turn.
fn in_turn(number: usize) -> Range<usize> {
    let error = number % ERRORS.len();
    error..error + 1
}

#[test]
fn calls_of_a_relocating_start_fail() {
    failing("relocate", User::ordinary(), in_turn);
}

#[test]
fn calls_of_a_start_in_a_namespace_fail() {
    failing("namespace", User::ordinary(), in_turn);
}

#[test]
#[ignore = "long: make test-long"]
fn calls_of_a_relocating_start_fail_in_every_way() {
    failing("relocate", User::ordinary(), |_| 0..ERRORS.len());
}

#[test]
#[ignore = "long: make test-long"]
fn calls_of_a_start_in_a_namespace_fail_in_every_way() {
    failing("namespace", User::ordinary(), |_| 0..ERRORS.len());
}
