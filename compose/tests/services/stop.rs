//! Signals, and the way everything is stopped.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::harness::{Place, assert_order, sh, until};

fn server(name: &str) -> Value {
    sh(&format!(
        "trap 'echo {name} STOPS; sleep 0.2; echo {name} STOPPED; exit' TERM; echo UP; while :; do sleep 0.05; done"
    ))
}

fn three() -> Place {
    Place::new(&json!({
        "a": {"argv": server("A"), "after": ["b"], "ready": {"log": "UP"}},
        "b": {"argv": server("B"), "after": ["c"], "ready": {"log": "UP"}},
        "c": {"argv": server("C"), "ready": {"log": "UP"}},
    }))
}

#[test]
fn signals_stop_in_reverse_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let place = three();
        let running = place.start();
        running.wait_ready();
        let (code, log, _) = running.stop(signal);
        assert_eq!(code, 0, "{log}");
        let expected = ["A STOPS", "A STOPPED", "B STOPS", "B STOPPED", "C STOPS", "C STOPPED"];
        assert_order(&log, &[&[&*format!("{signal}: stopping")], &expected[..]].concat());
    }
}

#[test]
fn a_signal_during_the_start_stops_what_has_started() {
    let place = Place::new(&json!({
        "a": {"argv": sh("echo A"), "after": ["b"]},
        "b": {"argv": server("B"), "ready": {"log": "never"}},
    }));
    let running = place.start();
    running.wait_for("UP");
    let (code, log, _) = running.stop(Signal::SIGTERM);
    assert_eq!(code, 0, "{log}");
    assert_order(&log, &["B STOPPED"]);
    assert!(!log.contains("| A"), "{log}");
}

/// Each of many waits for all before it: the ways through them are too many to go each.
#[test]
fn a_stop_takes_no_longer_with_many_ways() {
    let mut services = json!({"base": {"argv": ["sleep", "99"]}});
    let mut before = vec!["base".to_owned()];
    for number in 0..40 {
        let name = format!("m{number:02}");
        services[&name] = json!({"argv": ["true"], "oneshot": true, "after": before});
        before.push(name);
    }
    let place = Place::new(&services);
    let running = place.start();
    running.wait_ready();
    let (code, log, _) = running.stop(Signal::SIGTERM);
    assert_eq!(code, 0, "{log}");
}

/// It waits for a lock, which an instance that is cleared away holds.
#[test]
fn a_signal_ends_one_that_waits_to_begin() {
    let place = Place::new(&json!({"a": {"argv": ["sleep", "99"]}}));
    let lock = std::fs::File::create(place.data(".demo.lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let mut running = place.start();
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    std::fs::remove_file(place.data(".demo.lock")).unwrap();
    drop(lock);
    place.assert_nothing_left();
}

#[test]
fn who_ignores_the_signal_is_killed_after_its_time() {
    let place = Place::new(&json!({
        "a": {"argv": sh("trap '' TERM; echo UP; while :; do sleep 0.05; done"), "ready": {"log": "UP"}, "stop": {"timeout": 0.5}},
    }));
    let running = place.start();
    running.wait_ready();
    let (code, log, took) = running.stop(Signal::SIGTERM);
    assert_eq!(code, 0, "{log}");
    assert!((Duration::from_millis(500)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[test]
fn a_service_is_stopped_by_its_own_signal() {
    let place = Place::new(&json!({
        "a": {"argv": sh("trap 'echo GOT INT; exit' INT; echo UP; while :; do sleep 0.05; done"),
            "ready": {"log": "UP"}, "stop": {"signal": "INT", "timeout": 30}},
    }));
    let running = place.start();
    running.wait_ready();
    let (_, log, took) = running.stop(Signal::SIGTERM);
    assert_order(&log, &["GOT INT"]);
    assert!(took < Duration::from_secs(10));
}

/// The shell ends at once; what it has started needs its time.
#[test]
fn the_rest_of_a_group_has_its_time() {
    let place = Place::new(&json!({
        "a": {"argv": ["sh", "-c", "sh -c \"$WORKER\"; :"],
            "env": {"WORKER": "trap 'sleep 0.3; touch saved; exit' TERM; echo UP; while :; do sleep 0.05; done"},
            "ready": {"log": "UP"}},
    }));
    let running = place.start();
    running.wait_ready();
    let (_, log, took) = running.stop(Signal::SIGTERM);
    assert!(place.data("saved").exists(), "{log}");
    assert!(took < Duration::from_secs(5));
}

#[test]
fn a_stopped_process_is_stopped() {
    let place = Place::new(
        &json!({"a": {"argv": sh("echo $$; kill -STOP $$; sleep 9"), "stop": {"timeout": 30}}}),
    );
    let running = place.start();
    running.wait_for("a    | ");
    std::thread::sleep(Duration::from_millis(200));
    let (_, _, took) = running.stop(Signal::SIGTERM);
    assert!(took < Duration::from_secs(10));
}

#[test]
fn a_second_interrupt_kills_at_once() {
    let stubborn = sh("trap '' TERM INT; echo UP; while :; do sleep 0.05; done");
    let place = Place::new(&json!({
        "a": {"argv": stubborn, "after": ["b"], "ready": {"log": "UP"}, "stop": {"timeout": 60}},
        "b": {"argv": stubborn, "ready": {"log": "UP"}, "stop": {"timeout": 60}},
    }));
    let running = place.start();
    running.wait_ready();
    running.signal(Signal::SIGINT);
    running.wait_for("stopping");
    let (code, log, took) = running.stop(Signal::SIGINT);
    assert_eq!(code, 0, "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn signals_go_to_services_that_ask() {
    let asks = |name: &str| {
        sh(&format!(
            "for s in HUP USR1 USR2; do trap \"echo {name} GOT $s\" $s; done; echo UP; while :; do sleep 0.05; done"
        ))
    };
    let place = Place::new(&json!({
        "a": {"argv": asks("A"), "ready": {"log": "UP"}, "signals": ["HUP", "SIGUSR1"]},
        "b": {"argv": asks("B"), "ready": {"log": "UP"}},
    }));
    let running = place.start();
    running.wait_ready();
    running.signal(Signal::SIGUSR2);
    running.signal(Signal::SIGUSR1);
    running.wait_for("A GOT USR1");
    running.signal(Signal::SIGHUP);
    running.wait_for("A GOT HUP");
    let (_, log, _) = running.stop(Signal::SIGTERM);
    assert!(!log.contains("USR2") && !log.contains("B GOT"), "{log}");
}

#[test]
fn nohup_is_respected_and_inherited() {
    let place = Place::new(
        &json!({"a": {"argv": sh("kill -HUP $$; echo STILL HERE; exec sleep 99"), "ready": {"log": "STILL"}}}),
    );
    let mut command = place.command_by(&["nohup"]);
    let running = place.start_by(command.stdin(Stdio::null()));
    running.wait_ready();
    running.signal(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!running.log().contains("stopping"), "{}", running.log());
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

/// Runs it as the foreground of a terminal, does something to that, and waits for the end.
fn at_a_terminal(place: &Place, act: impl FnOnce(&mut Option<OwnedFd>)) {
    let pty = nix::pty::openpty(None, None).unwrap();
    fcntl(&pty.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    fcntl(&pty.slave, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    // It makes its standard input the terminal of a session; it does not fork unless it leads a group.
    let mut command = place.command_by(&["setsid", "--ctty"]);
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let running = place.start_as_it_is(&mut command);
    drop((command, pty.slave));
    until("up", || place.data("up").exists().then_some(()).ok_or_else(String::new));
    let since = Instant::now();
    let mut master = Some(pty.master);
    act(&mut master);
    assert_eq!(running.end().0, 0);
    assert!(since.elapsed() < Duration::from_secs(9));
    assert!(place.data("stopped").exists());
}

fn with_a_terminal(signals: &[&str], pause: &str) -> Place {
    Place::new(&json!({"a": {
        "argv": sh(&format!("trap : HUP; trap 'touch stopped; exit' TERM; touch up; while :; do echo x; {pause}; done")),
        "signals": signals,
    }}))
}

#[test]
fn ctrl_c_stops() {
    at_a_terminal(&with_a_terminal(&[], "sleep 0.05"), |master| {
        nix::unistd::write(master.as_ref().unwrap(), b"\x03").unwrap();
    });
}

/// As with Ctrl-S, or a slow connection.
#[test]
fn a_terminal_that_nobody_reads_holds_up_nothing() {
    at_a_terminal(&with_a_terminal(&[], ":"), |master| {
        std::thread::sleep(Duration::from_millis(300));
        nix::unistd::write(master.as_ref().unwrap(), b"\x03").unwrap();
    });
}

/// Also if a service asks for SIGHUP, as one that reads its files again does.
#[test]
fn a_closed_terminal_stops() {
    for signals in [&[][..], &["HUP"]] {
        at_a_terminal(&with_a_terminal(signals, "sleep 0.05"), |master| drop(master.take()));
    }
}

#[test]
fn a_blocked_signal_of_the_caller_holds_up_nothing() {
    let place = Place::new(&json!({"a": {"argv": sh("echo UP; exec sleep 99")}}));
    let block = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
os.execv(sys.argv[1], sys.argv[1:])";
    let running = place.start_by(&mut place.command_by(&["python3", "-c", block]));
    running.wait_for("a    | UP");
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn many_signals_at_once_do_no_harm() {
    let place = three();
    let running = place.start();
    running.wait_for("started");
    for _ in 0..200 {
        running.signal(Signal::SIGUSR1);
        running.signal(Signal::SIGCHLD);
    }
    running.wait_ready();
    let id = running.id();
    running.signal(Signal::SIGTERM);
    for _ in 0..20 {
        // It may have ended.
        let _ = kill(id, Signal::SIGTERM);
    }
    assert_eq!(running.end().0, 0);
    assert!(fs::read_dir(place.data("")).unwrap().next().is_none());
}
