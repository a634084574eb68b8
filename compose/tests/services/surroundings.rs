//! What services inherit.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Place, python, sh};

const LIST: &str = "
import os, sys, time
time.sleep(0.3)
files = {fd: f'/proc/self/fd/{fd}' for fd in map(int, os.listdir('/proc/self/fd'))}
files = [os.readlink(path) for fd, path in files.items() if os.path.exists(path)]
with open(sys.argv[1], 'w') as file: print(*sorted(files), sep='\\n', file=file)";

/// Only /dev/null and its own two pipes, also while another has a socket for its messages; a check not even these.
#[test]
fn services_and_checks_inherit_no_descriptor() {
    let mut list = python(LIST);
    let argv = |mut list: Value, file| {
        list.as_array_mut().unwrap().push(json!(file));
        list
    };
    let place = Place::with(&json!({
        "name": "demo",
        "main": "b",
        "services": {
            "a": {"argv": ["sleep", "99"], "ready": {"exec": argv(list.clone(), "check")}},
            "b": {"argv": argv(list.clone(), "service"), "after": ["a"]},
            "c": {"argv": ["sleep", "99"], "ready": {"notify": true, "timeout": 99}},
        },
    }));
    // What this test hands on itself.
    let own = place.data("own");
    let list = argv(list.take(), own.to_str().unwrap());
    let list: Vec<_> = list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let mut python = Command::new(list[0]);
    python.args(&list[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(python.status().unwrap().success());
    let (code, log) = place.run();
    assert_eq!(code, 0, "{log}");
    let lines = |name| -> Vec<String> {
        fs::read_to_string(place.data(name)).unwrap().lines().map(str::to_owned).collect()
    };
    let own = lines("own");
    assert_eq!(lines("check"), own);
    let is_other = |line: &String| line != "/dev/null" && !own.contains(line);
    let others: Vec<String> = lines("service").into_iter().filter(is_other).collect();
    assert!(others.len() == 2 && others.iter().all(|line| line.starts_with("pipe:")), "{others:?}");
}

#[test]
fn services_have_no_input() {
    let place =
        Place::new(&json!({"a": {"argv": sh("readlink /proc/$$/fd/0; cat"), "oneshot": true}}));
    let input = fs::File::open(place.path.join("share/composition.json")).unwrap();
    let (code, log) = place.start_by(place.command().stdin(input)).end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("a    | /dev/null\n") && !log.contains("readlink"), "{log}");
}

#[test]
fn ignored_signals_of_services_are_the_callers_and_none_is_blocked() {
    let place =
        Place::new(&json!({"a": {"argv": sh("grep Sig /proc/self/status"), "oneshot": true}}));
    let of = |log: &str, name: &str| {
        let line = log.lines().find_map(|line| line.split_once(&format!("{name}:\t"))).unwrap();
        u64::from_str_radix(line.1, 16).unwrap()
    };
    // 32 and 33 are glibc's own.
    let ignored = |log: &str| of(log, "SigIgn") & !(0b11 << 31);
    let (_, log) = place.run();
    assert_eq!((of(&log, "SigBlk"), ignored(&log)), (0, 0), "{log}");

    let ignore = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
for s in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1): signal.signal(s, signal.SIG_IGN)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])";
    let (_, log) = place.start_by(&mut place.command_by(&["python3", "-c", ignore])).end();
    // HUP 1, INT 2, QUIT 3, USR1 10.
    assert_eq!((of(&log, "SigBlk"), ignored(&log)), (0, 0b10_0000_0111), "{log}");
}

#[test]
fn what_is_between_systemd_and_the_composition_stays_there() {
    let place = Place::new(&json!({"a": {"argv": ["env"], "oneshot": true, "env": {"MINE": "1"}}}));
    let mut command = place.command();
    command.envs([
        ("NOTIFY_SOCKET", "/nowhere"),
        ("WATCHDOG_USEC", "9000000"),
        ("LISTEN_FDS", "1"),
        ("CALLERS", "2"),
    ]);
    let (_, log) = place.start_by(&mut command).end();
    assert!(log.contains("| MINE=1\n") && log.contains("| CALLERS=2\n"), "{log}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
        assert!(!log.contains(&format!("| {name}=")), "{log}");
    }
}

#[test]
fn systemd_hears_what_all_services_do() {
    let slow = sh("sleep 0.3; echo UP; exec sleep 99");
    let place = Place::new(&json!({
        "a": {"argv": slow, "ready": {"log": "UP"}},
        "b": {"argv": slow, "ready": {"log": "UP"}, "after": ["a"]},
    }));
    let path = place.path.join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let running =
        place.start_by(place.command().env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000"));
    let mut heard = Vec::new();
    let mut hear = |wanted: &str| {
        loop {
            let mut buffer = [0; 4096];
            let len = socket.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
            if heard.last().unwrap().contains(wanted) {
                return heard.clone();
            }
        }
    };
    let until_ready = hear("READY=1");
    assert!(!until_ready.iter().any(|message| message.contains("STOPPING")));
    running.wait_for("a is ready after ");
    // It says so several times in between.
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    assert!(place.ask("restart=b", &[]).status.success());
    hear("STATUS=starting b again");
    hear("STATUS=all services are ready");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    hear("STOPPING=1");
    let all = hear("STATUS=stopping a");
    assert_eq!(running.end().0, 0);
    socket.set_nonblocking(true).unwrap();
    let rest = std::iter::from_fn(|| {
        let mut buffer = [0; 4096];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    });
    let said: Vec<String> =
        all.into_iter().chain(rest).filter(|text| text != "WATCHDOG=1").collect();
    let expected = [
        "STATUS=waiting for a, b",
        "STATUS=waiting for b",
        "STATUS=all services are ready",
        "READY=1",
        "STATUS=starting b again",
        "STATUS=all services are ready",
        "STOPPING=1",
        "STATUS=stopping a, b",
        "STATUS=stopping a",
        "STATUS=stopping",
    ];
    assert_eq!(said, expected);
}

/// Its data, its files and its sockets are its own. What an ordinary user starts runs as that user.
#[test]
fn a_service_of_another_user_can_use_its_directories() {
    // Made by root, one in the other.
    for state in [json!(null), json!("deep/own")] {
        let place = Place::with(&json!({
            "name": "demo",
            "stateVariable": "DEMO_DATA_DIR",
            "services": {"a": {"argv": sh("touch here"), "user": "nobody", "state": state, "oneshot": true}},
        }));
        let new = place.data("new/data");
        let (code, log) = place.start_by(place.command().env("DEMO_DATA_DIR", &new)).end();
        assert_eq!(code, 0, "{log}");
    }
    let script = "id -un >who; echo $HOME >home; cat $RUN/etc/file >copy; : >$RUN/made; test -w .";
    let place = Place::new(&json!({
        "a": {
            "argv": sh(script),
            "user": "nobody",
            "state": "own",
            "configs": {"etc/file": "text"},
            "env": {"RUN": "%RUN%"},
            "oneshot": true,
        },
    }));
    let mut command = place.command_by(&["sh", "-c", "umask 077; exec \"$@\"", "sh"]);
    let (code, log) = place.start_by(&mut command).end();
    assert_eq!(code, 0, "{log}");
    let read = |name| fs::read_to_string(place.data("own").join(name)).unwrap();
    assert_eq!(read("copy"), "text");
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(
            (read("who"), read("home")),
            ("nobody\n".to_owned(), "/nonexistent\n".to_owned())
        );
    } else {
        assert_ne!(read("who"), "nobody\n");
    }
}
