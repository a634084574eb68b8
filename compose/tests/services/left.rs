//! Nothing is left: no process, no socket, no directory, no lock.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{Place, python, sh, until};

/// Forks twice, leaves its session, closes all descriptors, and ignores what can be ignored; it says its number in a file.
fn daemon(file: &str) -> Value {
    python(&format!(
        "
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir('/')
        os.closerange(0, 256)
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
        with open(os.environ['PLACE'] + '/data/{file}.new', 'w') as f: f.write(str(os.getpid()))
        os.rename(os.environ['PLACE'] + '/data/{file}.new', os.environ['PLACE'] + '/data/{file}')
        while True: time.sleep(1)
    os._exit(0)
time.sleep(99)"
    ))
}

fn wait_for_file(place: &Place, name: &str) -> String {
    until(name, || fs::read_to_string(place.data(name)).map_err(|error| error.to_string()))
}

#[test]
fn no_process_is_left_by_any_end() {
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let place = Place::new(&json!({
            "daemon": {"argv": daemon("daemon")},
            "children": {"argv": sh("sleep 99 & (sleep 99 & sleep 99) & wait")},
            "stubborn": {"argv": sh("trap '' TERM INT HUP; sleep 99 & while :; do sleep 1; done"), "stop": {"timeout": 0.2}},
            "socket": {"argv": python("import socket, sys, time\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()\ntime.sleep(99)"),
                "ready": {"unix": "a.sock"}},
        }));
        let mut composition: Value = serde_json::from_str(
            &fs::read_to_string(place.path.join("share/composition.json")).unwrap(),
        )
        .unwrap();
        composition["services"]["socket"]["argv"]
            .as_array_mut()
            .unwrap()
            .push(json!("%RUN%/a.sock"));
        composition["services"]["socket"]["configs"] = json!({"sub/a.conf": "x"});
        fs::write(place.path.join("share/composition.json"), composition.to_string()).unwrap();
        let running = place.start();
        running.wait_ready();
        wait_for_file(&place, "daemon");
        let (code, log, _) = running.stop(end);
        assert_eq!(code, 0, "{log}");
    }
}

#[test]
fn a_failed_start_leaves_nothing() {
    let place = Place::new(&json!({
        "a": {"argv": daemon("daemon"), "ready": {"exec": ["test", "-e", "daemon"]}},
        "b": {"argv": ["/nowhere/x"], "after": ["a"]},
    }));
    assert_eq!(place.run().0, 127);
}

#[test]
fn a_kill_takes_the_services_along() {
    let place = Place::new(&json!({
        "a": {"argv": sh("trap '' TERM; echo UP; sleep 99 & while :; do sleep 1; done"), "ready": {"log": "UP"}},
        "daemon": {"argv": daemon("daemon"), "ready": {"exec": ["test", "-e", "daemon"]}, "after": ["a"]},
    }));
    let running = place.start();
    running.wait_ready();
    assert!(place.processes().len() >= 4);
    running.signal(Signal::SIGKILL);
    until("nothing", || match place.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(running.end().0, 137);
}

/// As with [`a_kill_takes_the_services_along`], but the next start does not wait until that is done.
#[test]
fn a_start_right_after_a_kill_works() {
    let place = Place::new(&json!({
        "a": {"argv": sh("mkdir only-one || exit 9; trap 'rmdir only-one; exit' TERM; echo UP; while :; do sleep 0.05; done"), "ready": {"log": "UP"}},
    }));
    for _ in 0..10 {
        let running = place.start();
        running.wait_ready();
        kill(running.id(), Signal::SIGKILL).unwrap();
        // What the service itself cannot clear any more.
        fs::remove_dir(place.data("only-one")).unwrap();
        drop(running);
    }
    let running = place.start();
    running.wait_ready();
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

/// Power was lost, or the guard was killed too.
#[test]
fn a_stale_lock_and_a_stale_directory_are_taken_over() {
    let place = Place::new(&json!({"a": {"argv": ["true"], "oneshot": true}}));
    let stale = place.path.join("run/demo-4194303");
    fs::create_dir(&stale).unwrap();
    fs::write(stale.join("control"), "").unwrap();
    fs::write(place.data(".demo.lock"), format!("4194303\n{}\n", stale.display())).unwrap();
    assert_eq!(place.run().0, 0);
}

#[test]
fn a_lock_names_no_directory_of_others() {
    let place = Place::new(&json!({"a": {"argv": ["true"], "oneshot": true}}));
    fs::create_dir(place.data("precious")).unwrap();
    fs::write(place.data(".demo.lock"), format!("4194303\n{}\n", place.data("precious").display()))
        .unwrap();
    assert_eq!(place.run().0, 0);
    assert!(place.data("precious").exists());
}

#[test]
fn two_hundred_starts_and_stops_leave_nothing() {
    let place = Place::new(&json!({
        "a": {"argv": sh("sleep 99 & exec sleep 99")},
        "b": {"argv": sh("setsid sleep 99 & echo UP; exec sleep 99"), "after": ["a"], "ready": {"log": "UP"}},
    }));
    for number in 0..200 {
        let running = place.start();
        match number % 4 {
            0 => {}
            1 => std::thread::sleep(Duration::from_millis(number / 20)),
            2 => running.wait_for("UP"),
            _ => running.wait_ready(),
        }
        let (code, log, _) = running.stop(Signal::SIGTERM);
        // Before it takes signals, it ends as any program.
        assert!(code == 0 || code == 143 && number % 4 < 2, "{code}: {log}");
    }
}

#[test]
fn the_guard_is_no_child_that_counts() {
    let place = Place::new(&json!({"a": {"argv": ["sleep", "99"]}}));
    let running = place.start();
    running.wait_ready();
    let guard = place.processes().into_iter().find(|(_, line)| line.contains("guard"));
    kill(Pid::from_raw(guard.unwrap().0), Signal::SIGKILL).unwrap();
    running.wait_for("the guard has ended; another one is started");
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

/// The second guard knows of all services, as the first one did.
#[test]
fn a_kill_after_that_of_the_guard_takes_the_services_along() {
    let place = Place::new(
        &json!({"a": {"argv": ["sleep", "99"]}, "b": {"argv": ["env", "-i", "sleep", "99"]}}),
    );
    let mut running = place.start();
    running.wait_ready();
    let guard = place.processes().into_iter().find(|(_, line)| line.contains("guard"));
    kill(Pid::from_raw(guard.unwrap().0), Signal::SIGKILL).unwrap();
    running.wait_for("another one is started");
    running.child.kill().unwrap();
    crate::harness::until("the end of all", || match place.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(running.end().0, 137);
}

/// Each guard has its own services; the inner one works on its own.
#[test]
fn a_kill_takes_a_composition_within_along() {
    let inner =
        Place::new(&json!({"x": {"argv": sh("setsid sleep 99 & echo INNER; exec sleep 99")}}));
    let start = format!("cd {} && exec {}", inner.data("").display(), inner.program().display());
    let place = Place::new(&json!({"a": {"argv": sh(&start), "ready": {"log": "INNER"}}}));
    let running = place.start();
    running.wait_ready();
    running.signal(Signal::SIGKILL);
    until("nothing", || match place.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(running.end().0, 137);
    inner.assert_nothing_left();
}
