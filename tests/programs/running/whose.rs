//! Which bundle a process is of: bundles share store paths, and a mount namespace has programs of the host in it.

use std::path::Path;

use nix::sys::signal::Signal;
use tests::{Bundle, Closure, Directory, until};

use super::{Case, SERVER, end, last, leases, python};
use crate::MODES;

/// A program of the host's sees the store paths, and may start programs of them later.
#[test]
fn a_program_of_the_hosts_in_the_namespace_is_found() {
    let bundle = python();
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        // The second one has a file open whose path is like that of a lease.
        for script in ["exec sleep 1000", "mkdir bundles; exec sleep 1000 > bundles/log"] {
            let sleeping = case.launch(Path::new("/bin/sh"), &["-c", script]);
            sleeps(sleeping);
            case.has_no_lease(sleeping);
            match mode {
                "namespace" => case.is_kept(&format!("in use by process {sleeping} (sleep)")),
                _ => case.is_cleared_by("clear"),
            }
            end(sleeping);
        }
        if mode == "namespace" {
            case.is_cleared_by("clear");
        }
    }
}

#[test]
fn a_working_directory_is_in_use() {
    let bundle = python();
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        case.start("python3").arg("--version").run().expect_code(0);
        let program = case.file("bin/python3");
        let home = case.host.user.home();
        let below = program.strip_prefix(case.host.outside(home)).unwrap().parent().unwrap();
        let directory = Directory::At(home.join(below));
        let sleeping = case.host.start("/bin/sleep").arg("1000").directory(directory).spawn();
        sleeps(sleeping.pid().cast_signed());
        case.is_kept(&format!("in use by process {} (sleep)", sleeping.pid()));
        sleeping.signal(Signal::SIGKILL);
        sleeping.wait().expect_signal(9);
        case.is_cleared_by("clear");
    }
}

#[test]
fn a_bundle_is_cleared_beside_one_that_runs() {
    let redis = Bundle::of(&Closure::example("pkgs.redis")).entry("/bin/redis-cli");
    let redis = redis.option("--level", "3").pack();
    let shared = {
        let closures =
            ["pkgs.redis", "pkgs.python3"].map(|name| Closure::example(name).requisites());
        let paths = closures[0].intersection(&closures[1]);
        let names = paths.map(|path| path.split_once('-').expect("a store path").1.to_owned());
        names.collect::<Vec<_>>()
    };
    assert!(!shared.is_empty());
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        let other = case.host.install(&redis.path);
        let other = |command: &str| {
            let start = case.host.start(&other).env("PACKED_MODE", mode).env("PACKED", command);
            start.arg("--version").run().stdout()
        };
        case.start("python3").arg("--version").run().expect_code(0);
        let alone = case.store_paths();
        for with_lease in [false, true] {
            assert!(other("").starts_with("redis-cli"));
            assert!(case.store_paths().len() > alone.len());
            let (server, running) = if with_lease {
                let running = case.start("python3").args(["-Bc", SERVER]).spawn();
                case.answers("wave");
                let server = last(running.pid());
                assert_eq!(leases(server), 1);
                (server, Some(running))
            } else {
                let server = case.launch(&case.path("bin/python3"), &["-Bc", SERVER]);
                case.answers("wave");
                case.has_no_lease(server);
                (server, None)
            };
            assert!(other("clear").starts_with("cleared "), "{mode}");
            assert_eq!(sorted(case.store_paths()), sorted(alone.clone()), "{mode}");
            let kept = |name: &String| {
                alone.iter().any(|path| path.to_string_lossy().ends_with(name.as_str()))
            };
            assert!(shared.iter().all(kept), "{mode}: {shared:?} {alone:?}");
            case.answers("colorsys");
            end(server);
            let _ = running.map(|running| running.wait());
            std::fs::remove_file(case.host.outside(case.host.home("socket"))).unwrap();
        }
        case.is_cleared_by("clear");
    }
}

/// As many desktops have: `(sd-pam)` of systemd, sandboxes of browsers.
#[test]
fn a_process_that_hides_and_is_not_of_the_closure_keeps_nothing() {
    for mode in MODES {
        let case = Case::ordinary(&python(), mode);
        case.start("python3").arg("--version").run().expect_code(0);
        // What runs is the host's.
        let script = "import ctypes, time
ctypes.CDLL(None).prctl(15, b'(sd-pam)', 0, 0, 0)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
open('ready', 'w')
time.sleep(1000)";
        let hidden = case.host.start("/usr/bin/python3").args(["-c", script]).spawn();
        let ready = case.host.outside(case.host.home("ready"));
        until("it hides", || ready.exists().then_some(()));
        case.is_cleared_by("clear");
        hidden.signal(Signal::SIGKILL);
        hidden.wait().expect_signal(9);
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// Waits until a process is sleep(1).
fn sleeps(process: i32) {
    let name = format!("/proc/{process}/comm");
    until("it sleeps", || {
        (std::fs::read_to_string(&name).expect("it runs") == "sleep\n").then_some(())
    });
}
