//! Signal dispositions and masks are inherited, and signals reach the program.

use nix::sys::signal::Signal::{
    self, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
};
use tests::{Bundle, Host, assert_same_start, until};

#[test]
fn dispositions_are_inherited() {
    let cases: [&[Signal]; 5] = [
        // Rust's standard library ignores SIGPIPE; the caller did not.
        &[],
        &[SIGPIPE],
        // A launcher that waits for a child finds none.
        &[SIGCHLD],
        &[SIGHUP, SIGINT, SIGQUIT],
        &[SIGTERM, SIGALRM, SIGTSTP, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE],
    ];
    for host in Host::every() {
        for ignored in cases {
            let report = assert_same_start(&host, |start| {
                ignored.iter().fold(start, |start, signal| start.ignore(*signal))
            });
            let mask = u64::from_str_radix(report.get("status SigIgn").unwrap(), 16).unwrap();
            let expected = ignored.iter().fold(0, |mask, signal| mask | 1 << (*signal as i32 - 1));
            // Signals above 31 may be ignored by whoever runs the tests.
            assert_eq!(mask & 0x7fff_ffff, expected, "{ignored:?} on {host}");
        }
    }
}

#[test]
fn blocked_and_pending_signals_are_inherited() {
    for host in Host::every() {
        for blocked in [&[SIGUSR1][..], &[SIGINT, SIGTERM, SIGPIPE, SIGCHLD, SIGALRM]] {
            let report = assert_same_start(&host, |start| {
                blocked.iter().fold(start, |start, signal| start.block(*signal))
            });
            assert_ne!(report.get("status SigBlk"), Some("0000000000000000"));
            assert_ne!(report.get("status SigPnd"), Some("0000000000000000"));
        }
    }
}

#[test]
fn a_signal_to_the_spawned_process_ends_the_program() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        for signal in [SIGTERM, SIGINT, SIGHUP, Signal::SIGKILL] {
            let running = host.start(&program).arg("sleep").spawn();
            let comm = format!("/proc/{}/comm", running.pid());
            let executable = format!("/proc/{}/exe", running.pid());
            // Until then the launcher would get the signal.
            until("the program runs", || {
                let target = std::fs::read_link(&executable).ok()?;
                (!target.starts_with("/srv") && !target.ends_with("srv/probe")).then_some(())
            });
            assert_eq!(std::fs::read_to_string(comm).unwrap(), "probe\n");
            running.signal(signal);
            running.wait().expect_signal(signal as i32);
            assert!(host.processes().running.is_empty(), "{:?}", host.processes());
        }
    }
}
