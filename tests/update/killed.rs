//! An update that is killed at any of its system calls, or after any number of bytes, leaves the old or the new bundle,
//! whole; the next one finishes it, and leaves nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tests::{Forge, Served, run, say};

use crate::made::{Home, change, published, version};

/// Points at which an update is killed.
const POINTS: usize = 100;

/// The last calls, at which the new bundle gets its name: all of them are tried.
const LAST: usize = 40;

/// Updates at once: one waits for its server while another computes.
const THREADS: usize = 4;

/// Small bundles: the second has other frames.
fn pair() -> (Forge, Forge) {
    let mut forge = Forge::small();
    let tar = forge.tar();
    forge.set_tar(&tar, 8);
    (version(forge.clone(), "1.0"), version(change(change(forge, 1), 5), "2.0"))
}

/// A system call: its name, and how many of that name there are up to it.
type Call = (String, usize);

/// The calls of an update, in order.
fn calls(old: &Forge, url: &str) -> Vec<Call> {
    let home = Home::with(old);
    let log = home.path().join("log");
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(&log).arg(tests::packer());
    run(&mut home.around(strace, &["update", "probe", url, "--keep-old"])).expect_code(0);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let text = fs::read_to_string(log).expect("strace writes a log");
    // The first line is the execution of packer itself, which strace does not count.
    let names = text.lines().skip(1).filter_map(|line| Some(line.split_once('(')?.0.to_owned()));
    names
        .map(|name| {
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            (name, *count)
        })
        .collect()
}

/// Checks what is there, finishes the update and checks again; returns whether the first one had done it.
fn finish(home: &Home, old: &[u8], new: &[u8], url: &str, point: &str) -> bool {
    let probe = fs::read(home.probe()).expect("the bundle is there");
    let is_done = probe == new;
    assert!(is_done || probe == old, "{point}: half a bundle of {} bytes", probe.len());
    let second = home.packer(&["update", "probe", url, "--keep-old"]);
    assert_eq!(second.status.code(), Some(0), "{point}: {}", second.stderr());
    assert!(fs::read(home.probe()).expect("read it") == new, "{point}: another bundle");
    assert_eq!(home.names(), ["probe", "probe.old"], "{point}");
    assert!(fs::read(home.path().join("bin/probe.old")).expect("read it") == old, "{point}");
    assert_eq!(home.kept(), Vec::<String>::new(), "{point}");
    is_done
}

/// Does the work of all points in some threads.
fn all<T: Send>(points: Vec<T>, work: impl Fn(T) + Sync) {
    let points = Mutex::new(points);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(point) = { points.lock().expect("no thread panics").pop() } {
                    work(point);
                }
            });
        }
    });
}

fn killed(points: usize) {
    let (old, new) = pair();
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let calls = calls(&old, &url);
    assert!(calls.len() > points, "{} calls", calls.len());
    let (first, last) = calls.split_at(calls.len() - LAST);
    let evenly = (0..points).map(|number| &first[number * first.len() / points]);
    let chosen: Vec<&Call> = evenly.chain(last).collect();
    let points = chosen.len();
    let ends = Mutex::new([0; 3]);
    let (before, after) = (old.bytes(), new.bytes());
    all(chosen, |(name, count)| {
        let home = Home::with(&old);
        let inject = format!("inject={name}:signal=KILL:when={count}");
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", &inject]).arg(tests::packer());
        let ended = run(&mut home.around(strace, &["update", "probe", &url, "--keep-old"]));
        let is_killed = ended.status.code() != Some(0);
        let is_done = finish(&home, &before, &after, &url, &format!("killed at {name} {count}"));
        let mut ends = ends.lock().expect("no thread panics");
        ends[usize::from(is_done) + usize::from(is_done && !is_killed)] += 1;
    });
    let [before, behind, whole] = *ends.lock().expect("no thread panics");
    say(&format!(
        "killed at {points} calls: {before} old bundles, {behind} new ones; {whole} not killed"
    ));
    assert!(before > 0 && whole * 10 < points, "{whole} were not killed");
}

#[test]
fn an_update_is_killed_anywhere() {
    killed(POINTS);
}

#[test]
#[ignore = "long: make test-long"]
fn an_update_is_killed_at_more_places() {
    killed(POINTS * 10);
}

/// The same by time: what happens in the kernel is in between two calls.
#[test]
#[ignore = "long: make test-long"]
fn an_update_is_killed_at_any_time() {
    let (old, new) = pair();
    let directory = published(&new);
    let served = Served::nginx(directory.path(), "");
    let url = format!("{}/probe", served.url());
    let (before, after) = (old.bytes(), new.bytes());
    all((0..POINTS as u64).collect(), |point| {
        let home = Home::with(&old);
        let mut child = home.command(&["update", "probe", &url, "--keep-old"]);
        let mut child = child.spawn().expect("start it");
        thread::sleep(Duration::from_millis(point));
        // It may have ended.
        let _ = child.kill();
        child.wait().expect("wait for it");
        finish(&home, &before, &after, &url, &format!("killed after {point} ms"));
    });
}
