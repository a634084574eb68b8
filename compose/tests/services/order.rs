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

const ODD_HTTP: &str = "
import socket, sys, time
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
while True:
    c = s.accept()[0]
    c.recv(9999)
    c.sendall(sys.argv[3].encode().decode('unicode_escape').encode())
    if sys.argv[3].endswith('endless'):
        keep = c
";

/// Only the status counts: of redirects as well, and of an answer that never ends.
#[test]
fn the_first_line_of_an_answer_is_enough() {
    let answer =
        |status: &str| format!("HTTP/1.1 {status} x\\r\\nLocation: /elsewhere\\r\\n\\r\\nendless");
    for (address, line, status, is_ready) in [
        ("127.0.0.1", answer("200"), None, true),
        ("::1", answer("204"), None, true),
        ("127.0.0.1", answer("301"), Some(301), true),
        ("127.0.0.1", answer("301"), Some(302), false),
        ("127.0.0.1", answer("500"), None, false),
        ("127.0.0.1", "no HTTP\\r\\n".to_owned(), None, false),
    ] {
        let port = free_port().to_string();
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let mut ready = json!({"http": format!("http://{host}:{port}/x?y"), "timeout": if is_ready { 60 } else { 2 }});
        if let Some(status) = status {
            ready["status"] = json!(status);
        }
        let argv = with(python(ODD_HTTP), &[address.into(), port, line.clone()]);
        let place = Place::new(&json!({"a": {"argv": argv, "ready": ready}}));
        let running = place.start();
        if is_ready {
            running.wait_ready();
            assert_eq!(running.stop(Signal::SIGTERM).0, 0, "{line}");
        } else {
            let (code, log) = running.end();
            assert_eq!(code, 1, "{log}");
            let seen = if line.starts_with("no") {
                "no answer of HTTP".into()
            } else {
                format!("status {}", &line[9..12])
            };
            assert!(log.contains(&seen), "{log}");
        }
    }
}

/// What a process has said before its end is nothing about the next one.
#[test]
fn what_the_one_before_said_makes_nobody_ready() {
    let place = Place::new(&json!({
        "a": {
            "argv": python("import os, socket, sys\nfirst = not os.path.exists('first')\nopen('first', 'w')\n\
                s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
                if not first:\n    import time\n    time.sleep(99)\n\
                for n in range(9):\n    s.sendto(b'STATUS=x', os.environ['NOTIFY_SOCKET'])\n\
                s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\nsys.exit(1)"),
            "ready": {"notify": true, "timeout": 3},
            "restart": {"when": "always", "delay": 0, "limit": 1},
        },
    }));
    let (code, log) = place.run();
    assert_eq!(code, 1, "{log}");
    assert!(
        log.matches("a is ready").count() <= 1 && log.contains("a is not ready after 3 s"),
        "{log}"
    );
}

/// Threads cannot be made where processes are too many; the other services need the supervisor.
#[test]
fn a_service_that_cannot_be_asked_stops_nobody() {
    let place = Place::new(&json!({
        "a": {"argv": ["sleep", "99"], "ready": {"tcp": "127.0.0.1:1", "timeout": 1}},
    }));
    assert!(nix::unistd::Uid::effective().is_root(), "root: to be another user with few processes");
    let uid = "1342177001";
    for directory in ["data", "run"] {
        nix::unistd::chown(&place.path.join(directory), Some(1_342_177_001.into()), None).unwrap();
    }
    // Itself, the guard and the service.
    let mut command =
        place.command_by(&["setpriv", "--reuid", uid, "--clear-groups", "prlimit", "--nproc=3"]);
    let (code, log) = place.start_by(&mut command).end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("last seen: it could not be asked: "), "{log}");
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
