//! Packer killed at each call that makes or writes a file, and disks without room: the old bundle stays whole.

use std::process::Command;

use tests::{packer, run};

use crate::files::Files;

/// The calls by which packer changes files.
const CALLS: [&str; 8] =
    ["write", "pwrite64", "openat", "linkat", "renameat", "fsync", "fchmod", "ftruncate"];

/// Applies the delta under strace; returns whether packer ended well.
fn apply(files: &Files, inject: &str) -> bool {
    let mut strace = files.command("strace");
    // With trace=none, strace injects nothing.
    strace.args(["-f", "-q", "-o", "/dev/null", "-e", inject, "--"]);
    strace.arg(packer()).args(["apply", "old", "delta", "-o", "old", "--threads", "1"]);
    run(&mut strace).status.success()
}

/// How often packer makes each call.
fn counts(files: &Files) -> Vec<(&'static str, usize)> {
    let mut strace = files.command("strace");
    let traced = format!("trace={}", CALLS.join(","));
    strace.args(["-f", "-q", "-o", "log", "-e", &traced, "--"]).arg(packer());
    strace.args(["apply", "old", "delta", "-o", "made", "--threads", "1"]);
    run(&mut strace).expect_code(0);
    let log = String::from_utf8(files.read("log")).expect("strace writes text");
    let count = |name: &&str| {
        let call = format!(" {name}(");
        log.lines().filter(|line| line.contains(&call)).count()
    };
    CALLS.iter().map(|name| (*name, count(name))).collect()
}

#[test]
fn killed_or_refused_at_any_call_leaves_a_whole_bundle() {
    let files = Files::small();
    files.delta(&[]);
    let (old, new) = (files.read("old"), files.read("new"));
    let counts = counts(&files);
    std::fs::remove_file(files.path("log")).expect("remove the log");
    std::fs::remove_file(files.path("made")).expect("remove a bundle");
    let points: usize = counts.iter().map(|(_, count)| count).sum();
    assert!(points > 10, "{counts:?}");
    let names = files.names();
    let mut failed = 0;
    for (call, count) in counts {
        for when in 1..=count {
            for what in ["signal=KILL", "error=ENOSPC"] {
                let ended = apply(&files, &format!("inject={call}:{what}:when={when}"));
                failed += usize::from(!ended);
                let there = files.read("old");
                assert!(there == old || there == new, "{call} {when} {what}: neither is there");
                assert!(!ended || there == new, "{call} {when} {what}: success without the bundle");
                // A temporary name is there for a moment between linking and renaming.
                let left: Vec<String> = files.names();
                let only = left.iter().filter(|name| !name.starts_with(".packer-"));
                assert!(only.eq(names.iter()), "{call} {when} {what}: {left:?}");
                if what != "signal=KILL" {
                    assert_eq!(left, names, "{call} {when} {what}");
                }
                for name in left.iter().filter(|name| name.starts_with(".packer-")) {
                    std::fs::remove_file(files.path(name)).expect("remove it");
                }
                files.write("old", &old);
            }
        }
    }
    assert!(failed > points, "{failed} of {} failed", 2 * points);
}

#[test]
fn full_disk_is_named_and_leaves_nothing() {
    let files = Files::small();
    files.delta(&[]);
    let script = r#"mount -t tmpfs -o size=400k none room
        "$0" apply old delta -o room/new; status=$?; ls -A room; exit $status"#;
    std::fs::create_dir(files.path("room")).expect("make a directory");
    let mut unshare = files.command("unshare");
    unshare.args(["--mount", "sh", "-c", script]).arg(packer());
    let (what, hint) = run(&mut unshare).expect_refusal(1);
    assert!(what.starts_with("packer: cannot write room/new: "), "{what}");
    assert!(hint.contains("make room"), "{hint}");
    let mut limit = Command::new("prlimit");
    limit.current_dir(files.directory()).args(["--fsize=100000", "--"]).arg(packer());
    let (_, hint) = run(limit.args(["apply", "old", "delta", "-o", "made"])).expect_refusal(1);
    assert!(hint.contains("ulimit -f"), "{hint}");
    assert!(!files.path("made").exists());
}
