//! COMPOSED: questions to the instance that runs.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::time::SystemTime;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Place, sh, until};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", error(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn place() -> Place {
    Place::new(&json!({
        "db": {"argv": sh("echo UP $$; exec sleep 99"), "ready": {"log": "UP"}},
        "migration": {"argv": ["true"], "oneshot": true, "after": ["db"]},
        "web": {"argv": sh("echo WEB"), "restart": {"when": "always", "delay": 50}, "after": ["migration"]},
    }))
}

#[test]
fn status_tells_the_state_of_each() {
    let place = place();
    let running = place.start();
    running.wait_for("web: exit status 0");
    let table = text(&place.ask("status", &[]));
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["service", "state", "pid", "since", "restarts", "memory"]);
    assert_eq!((lines[1][0], lines[1][1]), ("db", "ready"), "{table}");
    assert_eq!(lines[2][..5], ["migration", "ended:", "exit", "status", "0"], "{table}");
    assert_eq!(lines[3][..2], ["web", "delayed"], "{table}");

    let reports: Value = serde_json::from_str(&text(&place.ask("status", &["--json"]))).unwrap();
    let process = reports[0]["pid"].as_i64().unwrap();
    assert!(running.log().contains(&format!("UP {process}")));
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
        - reports[0]["since"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&since), "{reports}");
    assert!(reports[0]["memory"].as_u64().unwrap() > 1 << 16, "{reports}");
    assert_eq!((&reports[2]["restarts"], &reports[2]["pid"]), (&json!(1), &Value::Null));
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn logs_are_the_last_lines_of_one() {
    let place = Place::new(&json!({
        "a": {"argv": sh("i=0; while [ $i -lt 1500 ]; do echo line $i; i=$((i+1)); done; exec sleep 99"), "ready": {"log": "line 1499"}},
        "b": {"argv": ["sleep", "99"]},
    }));
    let running = place.start();
    running.wait_ready();
    let lines = text(&place.ask("logs=a", &[]));
    assert_eq!(
        (lines.lines().count(), lines.lines().next(), lines.lines().last()),
        (1000, Some("line 500"), Some("line 1499"))
    );
    assert_eq!(text(&place.ask("logs=b", &[])), "");
    let lines: Vec<String> =
        serde_json::from_str(&text(&place.ask("logs=a", &["--json"]))).unwrap();
    assert_eq!(lines.len(), 1000);
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn restart_starts_one_again() {
    let place = place();
    let running = place.start();
    running.wait_for("web: exit status 0");
    let process = || {
        let reports: Value =
            serde_json::from_str(&text(&place.ask("status", &["--json"]))).unwrap();
        reports[0]["pid"].as_i64()
    };
    let before = process();
    assert_eq!(text(&place.ask("restart=db", &[])), "");
    until("another process", || match process() {
        Some(now) if Some(now) != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // It waits for its delay; it need not.
    text(&place.ask("restart=web", &[]));
    until("twice", || {
        if running.log().matches("| WEB").count() >= 2 { Ok(()) } else { Err(running.log()) }
    });
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

/// A stop goes on in its order, and what waits for others goes on waiting.
#[test]
fn restart_is_refused_when_something_else_is_done() {
    let place = Place::new(&json!({
        "a": {"argv": sh("trap 'echo A STOPS; exit' TERM; echo UP; while :; do sleep 0.05; done"), "ready": {"log": "UP"}},
        "b": {"argv": sh("trap 'sleep 1; echo B SAVED; exit' TERM; echo UP; while :; do sleep 0.05; done"), "after": ["a"], "ready": {"log": "UP"}},
        "c": {"argv": ["true"], "after": ["d"]},
        "d": {"argv": ["sleep", "99"], "ready": {"log": "never"}},
    }));
    let running = place.start();
    running.wait_for("b is ready");
    let output = place.ask("restart=c", &[]);
    assert_eq!(
        error(&output),
        "demo: c cannot be started again: it is waiting\nhint: COMPOSED=status says what it waits for\n"
    );
    running.signal(Signal::SIGTERM);
    running.wait_for("stopping");
    assert!(error(&place.ask("restart=a", &[])).starts_with("demo: a cannot be started again: "));
    let (code, log) = running.end();
    assert_eq!(code, 0, "{log}");
    crate::harness::assert_order(&log, &["B SAVED", "A STOPS"]);
}

/// A question comes at once, and an answer in time.
#[test]
fn who_asks_byte_by_byte_holds_up_nothing() {
    let place = place();
    let running = place.start();
    running.wait_for("web: exit status 0");
    let run = std::fs::read_dir(place.path.join("run")).unwrap().next().unwrap().unwrap().path();
    let mut slow = std::os::unix::net::UnixStream::connect(run.join("control")).unwrap();
    std::io::Write::write_all(&mut slow, b"\"").unwrap();
    assert!(text(&place.ask("status", &[])).starts_with("service "));
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn stop_returns_when_all_is_gone() {
    let place = Place::new(
        &json!({"a": {"argv": sh("trap 'sleep 0.3; exit 5' TERM; echo UP; while :; do sleep 0.05; done"), "ready": {"log": "UP"}}}),
    );
    let running = place.start();
    running.wait_ready();
    assert_eq!(text(&place.ask("stop", &[])), "");
    assert!(!place.data(".demo.lock").exists());
    assert_eq!(running.end().0, 0);
}

#[test]
fn questions_that_have_no_answer_are_errors() {
    let place = place();
    for (question, expected) in [
        ("status", "demo: nothing runs in "),
        ("stop", "demo: nothing runs in "),
        ("statsu", "demo: statsu is not a command\nhint: it is status, logs=SERVICE,"),
        ("logs", "demo: logs is not a command\n"),
        ("status=db", "demo: status=db is not a command\n"),
    ] {
        let output = place.ask(question, &[]);
        assert!(error(&output).starts_with(expected), "{}", error(&output));
        assert_eq!(output.status.code(), Some(1));
    }
    let running = place.start();
    running.wait_for("web: exit status 0");
    for question in ["logs=dbb", "restart=dbb"] {
        let output = place.ask(question, &[]);
        assert_eq!(
            error(&output),
            "demo: there is no service dbb\nhint: the services are db, migration, web\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(
        error(&place.ask("status", &["--jsno"]))
            .starts_with("demo: unknown argument: --jsno\nhint: ")
    );
    assert_eq!(running.stop(Signal::SIGTERM).0, 0);
}

#[test]
fn its_name_can_be_the_question() {
    let place = place();
    let by = |name: &str, arguments: &[&str]| {
        let output = Command::new(place.program())
            .arg0(name)
            .args(arguments)
            .current_dir(place.data(""))
            .output();
        output.unwrap()
    };
    let running = place.start();
    running.wait_for("web: exit status 0");
    assert!(text(&by("demo-status", &[])).starts_with("service "));
    assert!(text(&by("/srv/demo-status", &["--json"])).starts_with("[{"));
    assert!(text(&by("demo-logs", &["db"])).starts_with("UP "));
    assert_eq!(text(&place.ask("logs", &["web", "--json"])), "[\"WEB\"]\n");
    assert!(error(&by("demo-logs", &["dbb"])).starts_with("demo: there is no service dbb\n"));
    assert!(error(&by("demo-logs", &["db", "web"])).starts_with("demo: unknown argument: web\n"));
    assert_eq!(text(&by("demo-restart", &["db"])), "");
    // Another copy of it.
    assert!(error(&by("demo-2", &[])).starts_with("demo: a demo runs already in "));
    assert_eq!(text(&by("demo-stop", &[])), "");
    assert_eq!(running.end().0, 0);
}

#[test]
fn questions_make_no_directory() {
    let place = Place::with(
        &json!({"name": "demo", "stateVariable": "DEMO_DATA_DIR", "services": {"a": {"argv": ["true"]}}}),
    );
    let mut command = place.command();
    let output = command.env("COMPOSED", "status").env("DEMO_DATA_DIR", "there").output().unwrap();
    assert!(error(&output).starts_with("demo: nothing runs in there\n"), "{}", error(&output));
    assert!(!place.data("there").exists());
}

#[test]
fn check_starts_nothing() {
    let place = place();
    assert_eq!(text(&place.ask("check", &[])), "");
    place.assert_nothing_left();
}
