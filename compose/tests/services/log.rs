//! The one log.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Place, python, sh, until};

#[test]
fn lines_stand_behind_the_name_on_their_stream() {
    let place = Place::new(&json!({
        "a": {"argv": sh("echo one; echo two >&2; printf 'no line feed'"), "oneshot": true},
        "longer": {"argv": sh("printf 'three\\r\\n\\n'"), "oneshot": true},
    }));
    let output = place.command().output().unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let mut lines: Vec<_> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a      | no line feed", "a      | one", "longer | ", "longer | three"]);
    assert!(err.contains("a      | two\n"), "{err}");
    assert!(err.contains("demo   | all services are ready after "), "{err}");
}

#[test]
fn lines_of_two_services_never_interleave() {
    let many = |letter: &str| {
        sh(&format!(
            "i=0; while [ $i -lt 100000 ]; do echo $i {}; i=$((i+1)); done",
            letter.repeat(50)
        ))
    };
    let place = Place::new(&json!({
        "a": {"argv": many("x"), "oneshot": true},
        "b": {"argv": many("y"), "oneshot": true},
    }));
    let (code, log) = place.run();
    assert_eq!(code, 0);
    for (name, letter) in [("a   ", "x"), ("b   ", "y")] {
        let prefix = format!("{name} | ");
        let lines: Vec<_> = log.lines().filter_map(|line| line.strip_prefix(&*prefix)).collect();
        assert_eq!(lines.len(), 100_000);
        for (number, line) in lines.into_iter().enumerate() {
            assert_eq!(line, format!("{number} {}", letter.repeat(50)));
        }
    }
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let place = Place::new(
        &json!({"a": {"argv": python("print('x' + 'é' * 50000)\nprint('end')"), "oneshot": true}}),
    );
    let (_, log) = place.run();
    let parts: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("a    | ")).collect();
    assert!(
        parts.len() >= 3 && parts.iter().all(|part| part.len() <= 16 << 10),
        "{} parts",
        parts.len()
    );
    assert_eq!(parts.concat(), format!("x{}end", "é".repeat(50000)));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let place = Place::new(&json!({"a": {"argv": sh("printf 'a\\377b\\0c\\n'"), "oneshot": true}}));
    assert!(place.run().1.contains("a    | a\u{fffd}b\0c"));
}

#[test]
fn json_is_one_object_a_line() {
    let place = Place::new(&json!({
        "a": {"argv": sh("printf 'quote \" and \\377\\033[1m\\n'; echo two >&2"), "oneshot": true},
    }));
    let running = place.start_by(place.command().args(["--log-format", "json"]));
    let (_, log) = running.end();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |stream: &str| {
        lines.iter().find(|line| line["service"] == "a" && line["stream"] == stream).unwrap()
    };
    assert_eq!(of("out")["line"], "quote \" and \u{fffd}\u{1b}[1m");
    assert_eq!(of("err")["line"], "two");
    assert!(lines.iter().all(|line| line["time"].as_f64().unwrap() > 1.6e9));
    assert!(lines.iter().any(|line| line["service"] == "demo"));
}

#[test]
fn a_reader_that_closes_its_end_stops_nothing() {
    let place = Place::new(&json!({"a": {
        "argv": sh("i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done; touch done; exit 4"),
    }}));
    let mut child = place.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(place.data("done").exists());
}

/// More than the pipe and what is kept: services wait, and are stopped all the same.
#[test]
fn a_reader_that_sleeps_does_not_hold_up_the_end() {
    let place = Place::new(&json!({"a": {"argv": ["yes", "x".repeat(1000)]}}));
    let mut child = place.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = until("the end", || child.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.code(), Some(0));
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    place.assert_nothing_left();
}

/// What a pipe without a waiting writer says: try again.
#[test]
fn nothing_is_lost_in_a_pipe_that_does_not_wait() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let place = Place::new(
        &json!({"a": {"argv": sh("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"), "oneshot": true}}),
    );
    let (mut read, write) = std::io::pipe().unwrap();
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut command = place.command();
    let mut child = command.stdout(write).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    std::thread::sleep(Duration::from_millis(300));
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    assert_eq!(text.lines().count(), 20000);
    assert!(text.lines().enumerate().all(|(number, line)| line == format!("a    | line {number}")));
}

/// A process that has left its service's group still has the pipe, and never stops to write.
#[test]
fn a_flood_behind_a_service_that_has_ended_does_not_hold_up_the_end() {
    let place = Place::new(&json!({"a": {"argv": sh("setsid yes & sleep 0.2; exit 3")}}));
    let (code, _) = place.run();
    assert_eq!(code, 3);
}
