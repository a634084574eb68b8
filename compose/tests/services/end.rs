//! The exit status.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Place, sh};

#[test]
fn the_end_of_main_ends_all_with_its_status() {
    for status in [0, 3] {
        let place = Place::with(&json!({
            "name": "demo",
            "main": "a",
            "services": {
                "a": {"argv": sh(&format!("sleep 0.2; exit {status}"))},
                "b": {"argv": ["sleep", "99"], "restart": {"when": "always"}},
                "c": {"argv": ["true"]},
            },
        }));
        assert_eq!(place.run().0, status);
    }
}

#[test]
fn the_first_that_fails_for_good_gives_the_status() {
    let place = Place::with(&json!({
        "name": "demo",
        "main": "main",
        "services": {
            "main": {"argv": sh("trap 'exit 9' TERM; while :; do sleep 0.05; done")},
            "first": {"argv": sh("sleep 0.3; exit 5")},
            "second": {"argv": sh("trap 'sleep 0.2; exit 6' TERM; while :; do sleep 0.05; done")},
            "again": {"argv": sh("exit 7"), "restart": {"when": "on-failure", "delay": 5}},
        },
    }));
    let (code, log) = place.run();
    assert_eq!(code, 5, "{log}");
}

#[test]
fn a_signal_is_128_and_its_number() {
    for (signal, status) in [("KILL", 137), ("TERM", 143), ("SEGV", 139), ("34", 162)] {
        let place = Place::new(
            &json!({"a": {"argv": sh(&format!("ulimit -c 0; kill -{signal} $$; sleep 9"))}}),
        );
        let (code, log) = place.run();
        assert_eq!(code, status, "{log}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    for (program, status, why) in
        [("/nowhere/x", 127, "No such file"), ("/etc/passwd", 126, "Permission denied")]
    {
        let place = Place::new(&json!({
            "a": {"argv": [program, "y"]},
            "b": {"argv": sh("echo SECOND"), "after": ["a"]},
        }));
        let (code, log) = place.run();
        assert_eq!(code, status, "{log}");
        let place = format!("{program} in {}", place.path.join("data").display());
        assert!(log.contains(&format!("a cannot be started: {place}: {why}")), "{log}");
        assert!(!log.contains("SECOND"), "{log}");
    }
}

#[test]
fn to_be_stopped_is_success() {
    let place = Place::new(&json!({"a": {"argv": ["sleep", "99"]}}));
    let running = place.start();
    running.wait_ready();
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}
