//! Where data and sockets are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Place, assert_order, sh};

fn reporter() -> Value {
    json!({
        "name": "demo",
        "stateVariable": "DEMO_DIR",
        "services": {"a": {"argv": sh("echo \"run %RUN% data %DATA% state %STATE% cwd %CWD% in $PWD\""), "state": "db", "oneshot": true}},
    })
}

#[test]
fn data_is_where_systemd_or_the_variable_or_the_caller_say() {
    let place = Place::with(&reporter());
    let own = place.data("").to_string_lossy().trim_end_matches('/').to_owned();
    let (by_systemd, by_variable) = (place.data("s"), place.data("v/w"));
    for (variables, data) in [
        (&[][..], Path::new(&own)),
        (&[("DEMO_DIR", by_variable.display().to_string())], &by_variable),
        (&[("DEMO_DIR", "v/w".to_owned())], &by_variable),
        (&[("DEMO_DIR", String::new())], Path::new(&own)),
        (
            &[
                ("DEMO_DIR", by_variable.display().to_string()),
                ("STATE_DIRECTORY", by_systemd.display().to_string()),
            ],
            &by_systemd,
        ),
        (&[("STATE_DIRECTORY", format!("{}:/nowhere", by_systemd.display()))], &by_systemd),
    ] {
        let mut command = place.command();
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let (code, log) = place.start_by(&mut command).end();
        assert_eq!(code, 0, "{log}");
        let (run, data) = (place.path.join("run/demo-"), data.display());
        assert_order(
            &log,
            &[
                &format!("run {}", run.display()),
                &format!(" data {data} state {data}/db cwd {own} in {data}/db"),
            ],
        );
    }
    for made in ["s", "s/db", "v", "v/w", "v/w/db", "db"] {
        let mode = fs::metadata(place.data(made)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{made}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let place = Place::with(&reporter());
    fs::write(place.data("file"), "").unwrap();
    let (code, log) = place.start_by(place.command().env("DEMO_DIR", "file/below")).end();
    assert_eq!(code, 1);
    assert!(log.contains("demo: cannot use file/below: Not a directory"), "{log}");
    assert!(log.contains("hint: name a directory that you may write to"), "{log}");
}

#[test]
fn a_run_time_directory_that_is_too_long_is_passed_over() {
    let place = Place::new(
        &json!({"a": {"argv": sh("echo in %RUN%; stat -c %a %RUN%; exec sleep 99"), "ready": {"notify": true, "timeout": 99}}}),
    );
    let long = place.path.join("run").join("x".repeat(60)).join("y".repeat(40));
    fs::create_dir_all(&long).unwrap();
    let running = place.start_by(place.command().env("XDG_RUNTIME_DIR", &long));
    running.wait_for("in /tmp/demo-");
    running.wait_for("a    | 700");
    let run = running.log().split("in ").nth(1).unwrap().lines().next().unwrap().to_owned();
    running.signal(Signal::SIGTERM);
    fs::remove_dir_all(place.path.join("run").join("x".repeat(60))).unwrap();
    assert_eq!(running.end().0, 0);
    assert!(!Path::new(&run).exists());
}

/// In the unit's own directory, if there is one.
#[test]
fn sockets_are_where_systemd_says() {
    let place = Place::with(&reporter());
    let (units, users) = (place.path.join("unit"), place.path.join("run"));
    fs::create_dir(&units).unwrap();
    let list = format!("{}:/nowhere", units.display());
    for (list, run) in [(&*list, &units), ("/nowhere", &users), ("", &users)] {
        let mut command = place.command();
        let (code, log) = place.start_by(command.env("RUNTIME_DIRECTORY", list)).end();
        assert_eq!(code, 0, "{log}");
        assert!(log.contains(&format!("| run {}/demo-", run.display())), "{log}");
        assert_eq!(fs::read_dir(&units).unwrap().count(), 0);
    }
}

#[test]
fn a_socket_whose_name_is_too_long_is_named() {
    let place = Place::new(&json!({"a": {"argv": ["true"], "ready": {"unix": "x".repeat(100)}}}));
    let (code, log) = place.run();
    assert_eq!(code, 1);
    assert!(log.contains("a path of a socket has 107 bytes at most"), "{log}");
}

#[test]
fn the_second_in_a_directory_says_who_has_it() {
    let place = Place::new(&json!({"a": {"argv": ["sleep", "99"]}}));
    let first = place.start();
    first.wait_ready();
    let output = place.command().output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let directory = place.data("").display().to_string();
    let expected = format!(
        "demo: a demo runs already in {}, as process {}\nhint: ",
        directory.trim_end_matches('/'),
        first.id()
    );
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(output.status.code(), Some(1));

    fs::create_dir(place.path.join("run/other")).unwrap();
    let second = place.start_by(place.command().current_dir(place.path.join("run/other")));
    second.wait_ready();
    second.signal(Signal::SIGTERM);
    let log = || second.log();
    crate::harness::until("the end of the second", || {
        (fs::read_dir(place.path.join("run/other")).unwrap().count() == 0)
            .then_some(())
            .ok_or_else(log)
    });
    // The first one goes on.
    assert!(place.ask("status", &[]).status.success());
    drop(second);
    fs::remove_dir(place.path.join("run/other")).unwrap();
    assert_eq!(first.stop(Signal::SIGTERM).0, 0);
}
