//! Services are started again, by the rule of each.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Place, assert_order, sh, until};

#[test]
fn each_rule_has_its_ends() {
    for (when, status, starts) in [
        ("no", 0, 1),
        ("no", 3, 1),
        ("on-failure", 0, 1),
        ("on-failure", 3, 3),
        ("always", 0, 3),
        ("always", 3, 3),
    ] {
        let place = Place::new(&json!({"a": {
            "argv": sh(&format!("echo x >> starts; exit {status}")),
            "restart": {"when": when, "delay": 0.01, "limit": 2},
        }}));
        let (code, log) = place.run();
        assert_eq!(code, status, "{when}: {log}");
        assert_eq!(
            fs::read_to_string(place.data("starts")).unwrap().lines().count(),
            starts,
            "{when}: {log}"
        );
    }
}

#[test]
fn delays_double_up_to_the_longest() {
    let place = Place::new(&json!({"a": {
        "argv": sh("date +%s.%N >> starts; exit 3"),
        "restart": {"when": "always", "delay": 0.2, "maxDelay": 0.5, "limit": 4},
    }}));
    let (code, log) = place.run();
    assert_eq!(code, 3, "{log}");
    let again = "a: exit status 3; started again in";
    assert_order(
        &log,
        &[0.2, 0.4, 0.5, 0.5].map(|delay| format!("{again} {delay} s")).each_ref().map(|x| &**x),
    );
    let starts = fs::read_to_string(place.data("starts")).unwrap();
    let starts: Vec<f64> = starts.lines().map(|line| line.parse().unwrap()).collect();
    let least = [0.2, 0.4, 0.5, 0.5];
    assert_eq!(starts.len(), 5);
    for (pair, least) in starts.windows(2).zip(least) {
        assert!(pair[1] - pair[0] >= least, "{starts:?}");
    }
}

/// Ten seconds of readiness count as steady.
#[test]
fn a_steady_service_begins_anew() {
    let place = Place::new(&json!({"a": {
        "argv": sh("echo x >> starts; test $(wc -l < starts) != 3 || sleep 10.5; exit 3"),
        "restart": {"when": "always", "delay": 0.1, "limit": 2},
    }}));
    let (code, log) = place.run();
    assert_eq!(code, 3, "{log}");
    let again = |delay| format!("a: exit status 3; started again in {delay} s");
    assert_order(&log, &[&*again(0.1), &again(0.2), &again(0.1), &again(0.2), "a has failed"]);
    assert_eq!(fs::read_to_string(place.data("starts")).unwrap().lines().count(), 5);
}

#[test]
fn a_killed_service_comes_back_and_what_waits_for_it_goes_on() {
    let place = Place::new(&json!({
        "a": {"argv": sh("echo A $$; exec sleep 99"), "restart": {"when": "on-failure", "delay": 0.01}, "ready": {"log": "A"}},
        "b": {"argv": sh("echo B $$; exec sleep 99"), "after": ["a"]},
    }));
    let running = place.start();
    // b is ready when it is started.
    running.wait_for("| B ");
    let of = |name: &str| {
        let (id, _) = place
            .processes()
            .into_iter()
            .find(|(id, _)| running.log().contains(&format!("{name} {id}")))
            .unwrap();
        id
    };
    let (a, b) = (of("A"), of("B"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(a), Signal::SIGKILL).unwrap();
    running.wait_for("a: SIGKILL; started again in 0.0 s");
    until("ready again", || {
        let log = running.log();
        if log.matches("a is ready").count() == 2 { Ok(()) } else { Err(log) }
    });
    assert!(place.processes().iter().any(|(id, _)| *id == b));
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn to_wait_takes_no_time_of_the_processor() {
    let ready = json!({"log": "UP"});
    for (services, event) in [
        (json!({"a": {"argv": ["sleep", "99"], "oneshot": true}}), "a is started"),
        (json!({"a": {"argv": ["sleep", "99"], "ready": {"notify": true}}}), "a is started"),
        (
            json!({"a": {"argv": ["sleep", "99"], "ready": {"exec": ["sleep", "99"]}}}),
            "a is started",
        ),
        (json!({"a": {"argv": sh("exec >&- 2>&-; sleep 99")}}), "all services are ready"),
        // Its delay is over, but what it waits for has a longer one.
        (
            json!({
                "a": {"argv": sh("echo UP; sleep 0.2; exit 1"), "ready": ready, "restart": {"when": "always", "delay": 3}},
                "b": {"argv": sh("sleep 0.3; exit 1"), "after": ["a"], "restart": {"when": "always", "delay": 0.01}},
            }),
            "b: exit status 1; started again",
        ),
    ] {
        let place = Place::new(&services);
        let running = place.start();
        running.wait_for(event);
        let wakings = || -> u64 {
            let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
            let line =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse().unwrap()
        };
        std::thread::sleep(Duration::from_millis(100));
        let before = wakings();
        std::thread::sleep(Duration::from_secs(1));
        assert!(wakings() < before + 20, "{services}");
        assert_eq!(running.stop(Signal::SIGTERM).0, 0);
    }
}
