//! Compares a program in a bundle with the same program alone: both must be started alike.

use std::fs;
use std::path::{Path, PathBuf};

use probe::Report;

use crate::bundle::Bundle;
use crate::host::Host;
use crate::program::probe;
use crate::start::{Running, Start};

/// The modes in which a bundle is compared with the program itself.
const MODES: [&str; 3] = ["relocate", "namespace", "ram"];

/// Starts the probe directly and, twice in each mode, in a bundle, each time as `prepare` says, and checks
/// that it was started in the same way. A bundle's first start on a fresh host unpacks, the second doesn't.
///
/// The report is taken from stdout or, if `prepare` made the probe write it there, from `report` in the
/// home directory. Returns the last one.
#[track_caller]
pub fn assert_same_start(host: &Host, prepare: impl Fn(Start) -> Start) -> Report {
    let report = |program: &str, make: &dyn Fn() -> PathBuf| {
        let path = Path::new("/srv").join(program).join("probe");
        if !host.outside(&path).exists() {
            let _ = host.install_as(make(), &path);
        }
        let ended = prepare(host.start(path).argv(&[b"probe"])).spawn();
        report_of(host, ended)
    };
    let expected = report("direct", &probe);
    let mut last = expected.clone();
    for mode in MODES {
        for _ in 0..2 {
            last = report(mode, &|| Bundle::probe_in(mode).path);
            assert_same(host, mode, &last, &expected);
        }
    }
    last
}

fn report_of(host: &Host, running: Running) -> Report {
    let pid = running.pid().to_string();
    let ended = running.wait();
    let file = host.outside(host.home("report"));
    let report = match fs::read_to_string(&file) {
        Ok(text) => {
            assert_eq!(ended.stdout(), "", "on {host}");
            fs::remove_file(&file).expect("remove the report");
            Report::parse(&text).expect("the file holds a report")
        }
        Err(_) => ended.report(),
    };
    assert_eq!(
        report.get("pid"),
        Some(pid.as_str()),
        "the spawned process is the program, on {host}"
    );
    report
}

/// Facts that are about the kernel's accounts, or that have a test of their own.
const STATUS: [&str; 14] = [
    "Name", "Umask", "Uid", "Gid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt",
    "CapInh", "CapPrm", "CapEff", "CapAmb",
];

/// Those that are the same for root alone: in a user namespace, which an ordinary user needs, the bounding
/// set is full and supplementary groups have no numbers. user_namespaces(7)
const STATUS_OF_ROOT: [&str; 2] = ["CapBnd", "Groups"];

/// Checks that a program in a bundle was started as the program itself was.
///
/// What the two must not share is left out: the pid, and where the executable is, which argv[0] says too. The one descriptor that
/// a bundle adds by design is a locked file of its cache, with a high number.
#[track_caller]
fn assert_same(host: &Host, mode: &str, bundle: &Report, direct: &Report) {
    let (bundle, direct) = (comparable(host, bundle, true), comparable(host, direct, false));
    if bundle != direct {
        let only = |a: &Report, b: &Report| {
            let (a, b) = (a.to_text(), b.to_text());
            let lines = a.lines().filter(|line| !b.lines().any(|other| other == *line));
            lines.collect::<Vec<_>>().join("\n")
        };
        let (in_bundle, in_direct) = (only(&bundle, &direct), only(&direct, &bundle));
        panic!(
            "mode {mode} on {host}\nonly in the bundle:\n{in_bundle}\nonly without it:\n{in_direct}"
        );
    }
}

fn comparable(host: &Host, report: &Report, is_bundle: bool) -> Report {
    let kept = |name: &str| match name.strip_prefix("status ") {
        Some(name) => {
            STATUS.contains(&name) || host.user.is_root() && STATUS_OF_ROOT.contains(&name)
        }
        None => !["pid", "process group", "exe", "argv[0]"].contains(&name),
    };
    // The lock shows where descriptors may have such numbers, and is one at most.
    let locks = || report.facts().filter(|(name, value)| is_cache_lock(report, name, value));
    assert!(!is_bundle || locks().count() <= 1, "more than one lock:\n{}", report.to_text());
    let mut result = Report::default();
    for (name, value) in report.facts() {
        if kept(name) && !(is_bundle && is_cache_lock(report, name, value)) {
            result.add_escaped(name, &without_pipe_number(value));
        }
    }
    result
}

/// Whether the fact is the descriptor that says "in use" to whoever cleans the cache.
fn is_cache_lock(report: &Report, name: &str, value: &str) -> bool {
    const FIRST: u32 = 100;
    let number = name.strip_prefix("descriptor ").and_then(|number| number.parse().ok());
    let is_high = |number: u32| number >= FIRST || open_files(report) <= FIRST;
    let is_lock = value.contains("lock: 1: FLOCK ADVISORY READ");
    number.is_some_and(is_high) && is_lock && value.contains("/packed")
}

/// The limit of open files, from a line such as `Max open files 1024 4096 files`.
fn open_files(report: &Report) -> u32 {
    let line = report.all("limit").find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(u32::MAX)
}

/// Two runs have two pipes.
fn without_pipe_number(value: &str) -> String {
    match value.split_once("pipe:[").and_then(|(_, rest)| rest.split_once(']')) {
        Some((_, flags)) => format!("pipe{flags}"),
        None => value.to_owned(),
    }
}
