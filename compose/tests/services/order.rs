//! Services start in order, each when what it waits for is ready.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Place, assert_order, free_port, python, sh};

const HTTP: &str = "
import http.server, sys, time
begun = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = time.monotonic() > begun + 0.4
        if ready and sys.argv[2] != '503': print('READY NOW')
        self.send_response(int(sys.argv[2]) if ready else 503)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()";

fn with(mut argv: Value, more: &[String]) -> Value {
    argv.as_array_mut().unwrap().extend(more.iter().map(|text| json!(text)));
    argv
}

/// A service that becomes ready after a while and says so right before, and its check; of every kind.
fn kinds() -> Vec<(&'static str, Value, Value)> {
    let port = || free_port().to_string();
    let (tcp, http, status) = (port(), port(), port());
    let listen = |family, address| {
        python(&format!(
            "import socket, sys, time\ns = socket.socket(socket.{family})\ntime.sleep(0.4)\n\
             print('READY NOW')\ns.bind({address})\ns.listen()\ntime.sleep(99)"
        ))
    };
    vec![
        (
            "tcp",
            with(listen("AF_INET", "('127.0.0.1', int(sys.argv[1]))"), std::slice::from_ref(&tcp)),
            json!({"tcp": format!("127.0.0.1:{tcp}")}),
        ),
        (
            "unix",
            with(listen("AF_UNIX", "sys.argv[1]"), &["%RUN%/a.sock".into()]),
            json!({"unix": "a.sock"}),
        ),
        (
            "http",
            with(python(HTTP), &[http.clone(), "204".into()]),
            json!({"http": format!("http://127.0.0.1:{http}/")}),
        ),
        (
            "http with status",
            with(python(HTTP), &[status.clone(), "404".into()]),
            json!({"http": format!("http://127.0.0.1:{status}/"), "status": 404}),
        ),
        (
            "exec",
            sh("sleep 0.4; echo READY NOW; touch %RUN%/flag; sleep 99"),
            json!({"exec": ["test", "-e", "%RUN%/flag"]}),
        ),
        ("log", sh("sleep 0.4; echo READY NOW; sleep 99"), json!({"log": "READY N"})),
        (
            "notify",
            python(
                "import os, socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
                 s.sendto(b'STATUS=begins', os.environ['NOTIFY_SOCKET'])\ntime.sleep(0.4)\n\
                 print('READY NOW')\n\
                 s.sendto(b'STATUS=x\\nREADY=1\\n', os.environ['NOTIFY_SOCKET'])\ntime.sleep(99)",
            ),
            json!({"notify": true}),
        ),
    ]
}

#[test]
fn a_service_starts_when_what_it_waits_for_is_ready() {
    for (kind, argv, ready) in kinds() {
        let place = Place::with(&json!({
            "name": "demo",
            "main": "a",
            "services": {
                "a": {"argv": sh("echo SECOND"), "after": ["b"]},
                "b": {"argv": argv, "ready": ready},
            },
        }));
        let (code, log) = place.run();
        assert_eq!(code, 0, "{kind}: {log}");
        assert_order(&log, &["READY NOW", "b is ready after ", "SECOND"]);
    }
}

#[test]
fn a_check_that_never_succeeds_is_named() {
    let port = free_port();
    let refused = format!("127.0.0.1:{port}: Connection refused");
    let wait = sh("echo LAST WORDS; sleep 99");
    let hello = python(
        "import os, socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.sendto(b'STATUS=loading 3 of 7', os.environ['NOTIFY_SOCKET'])\n\
         print('LAST WORDS')\ntime.sleep(99)",
    );
    let http = free_port().to_string();
    let server = with(python(&format!("print('LAST WORDS'){HTTP}")), &[http.clone(), "503".into()]);
    let cases = [
        (&wait, json!({"tcp": format!("127.0.0.1:{port}")}), &*refused),
        (&wait, json!({"unix": "a.sock"}), "a.sock: No such file or directory"),
        (&wait, json!({"http": format!("http://127.0.0.1:{port}/")}), "Connection refused"),
        (&server, json!({"http": format!("http://127.0.0.1:{http}/")}), "status 503"),
        (&wait, json!({"exec": ["sh", "-c", "exit 3"]}), "sh: exit status 3"),
        (&wait, json!({"exec": ["sleep", "99"]}), "sleep: no answer"),
        (&wait, json!({"exec": ["/nowhere/x"]}), "/nowhere/x: No such file"),
        (&wait, json!({"log": "never"}), "no line with \"never\""),
        (&wait, json!({"notify": true}), "no READY=1"),
        (&hello, json!({"notify": true}), "loading 3 of 7"),
    ];
    thread::scope(|scope| {
        for (argv, mut ready, seen) in cases {
            scope.spawn(move || {
                // Python needs its time on a busy machine.
                ready["timeout"] = json!(4);
                let place = Place::new(&json!({
                    "a": {"argv": argv, "ready": ready},
                    "b": {"argv": sh("echo SECOND"), "after": ["a"]},
                }));
                let since = Instant::now();
                let (code, log) = place.run();
                assert_eq!(code, 1, "{log}");
                let failed = "a has failed: not ready in time; its last lines:";
                let late = "a is not ready after 4 s; last seen: ";
                assert_order(&log, &[late, seen, failed, "    LAST WORDS"]);
                assert!(!log.contains("SECOND"), "{log}");
                assert!(since.elapsed() < Duration::from_secs(9), "{log}");
            });
        }
    });
}

#[test]
fn a_oneshot_ends_before_others_start() {
    let place = Place::with(&json!({
        "name": "demo",
        "main": "a",
        "services": {
            "a": {"argv": sh("echo THIRD"), "after": ["b"]},
            "b": {"argv": sh("echo SECOND; sleep 0.2; echo SECOND ENDS"), "oneshot": true, "after": ["c"]},
            "c": {"argv": sh("sleep 0.2; echo FIRST ENDS"), "oneshot": true},
        },
    }));
    let (code, log) = place.run();
    assert_eq!(code, 0, "{log}");
    assert_order(&log, &["FIRST ENDS", "SECOND", "SECOND ENDS", "THIRD"]);
}

#[test]
fn a_oneshot_that_fails_stops_all() {
    let place = Place::new(&json!({
        "server": {"argv": sh("trap 'echo STOPPED; exit' TERM; while :; do sleep 0.05; done")},
        "migration": {"argv": sh("sleep 0.3; echo no such table; exit 7"), "oneshot": true},
        "web": {"argv": sh("echo WEB"), "after": ["migration"]},
    }));
    let (code, log) = place.run();
    assert_eq!(code, 7, "{log}");
    assert_order(
        &log,
        &["migration has failed: exit status 7; its last lines:", "    no such table"],
    );
    assert_order(&log, &["STOPPED"]);
    assert!(!log.contains("WEB"), "{log}");
}

#[test]
fn all_oneshots_end_with_success() {
    let place = Place::new(&json!({"a": {"argv": ["true"], "oneshot": true}}));
    assert_eq!(place.run().0, 0);
}

/// The one between them has ended long ago: nothing but the order of the names holds the first one.
#[test]
fn a_service_stops_after_those_behind_a_oneshot() {
    let server = |name| {
        sh(&format!(
            "trap 'sleep 0.3; echo {name} STOPPED; exit' TERM; echo {name} UP; while :; do sleep 0.05; done"
        ))
    };
    let place = Place::new(&json!({
        "app": {"argv": server("APP"), "after": ["migration"], "ready": {"log": "UP"}},
        "db": {"argv": server("DB"), "ready": {"log": "UP"}},
        "migration": {"argv": ["true"], "oneshot": true, "after": ["db"]},
    }));
    let running = place.start();
    running.wait_ready();
    let (code, log, _) = running.stop(Signal::SIGTERM);
    assert_eq!(code, 0, "{log}");
    assert_order(&log, &["APP STOPPED", "DB STOPPED"]);
}

#[test]
fn a_service_that_ends_before_it_is_ready_has_failed() {
    let place = Place::new(&json!({
        "a": {"argv": sh("echo LAST WORDS"), "ready": {"log": "never"}},
        "b": {"argv": ["sleep", "99"], "after": ["a"]},
    }));
    let (code, log) = place.run();
    assert_eq!(code, 1, "{log}");
    assert_order(
        &log,
        &["a has failed: ended before it was ready; its last lines:", "    LAST WORDS"],
    );
}

#[test]
fn a_service_that_has_ended_well_holds_up_nobody() {
    let place = Place::with(&json!({
        "name": "demo",
        "main": "b",
        "services": {
            "a": {"argv": sh("echo UP"), "ready": {"log": "UP"}},
            "b": {"argv": sh("test -e x || { sleep 0.3; touch x; exit 1; }; rm x; echo AGAIN"),
                "after": ["a"], "restart": {"when": "on-failure", "delay": 0.01}},
        },
    }));
    let (code, log) = place.run();
    assert_eq!(code, 0, "{log}");
    assert_order(&log, &["AGAIN"]);
}

#[test]
fn a_check_that_hangs_does_not_hold_up_the_next_start() {
    let place = Place::with(&json!({
        "name": "demo",
        "main": "b",
        "services": {
            "a": {"argv": sh("test -e x && sleep 99; sleep 0.3; touch x; exit 1"),
                "ready": {"exec": ["sh", "-c", "test -e x || exec sleep 99"]},
                "restart": {"when": "always", "delay": 0.01}},
            "b": {"argv": ["rm", "x"], "after": ["a"]},
        },
    }));
    let (code, log) = place.run();
    assert_eq!(code, 0, "{log}");
}
