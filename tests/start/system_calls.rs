//! How many system calls a start of an unpacked bundle makes before it is the program.

use std::fs;

use tests::{Bundle, Closure, Host, Nix, User};

/// Starts the bundle under strace(1) and counts the calls from its own execve up to the program's.
fn calls(host: &Host, mode: &str) -> usize {
    let bundle = Bundle::of(&Closure::example("hello")).entry("/bin/hello").pack();
    let program = host.install(&bundle.path);
    let text = host.start(&program).env("PACKED_MODE", mode).run().stdout();
    assert_eq!(text, "Hello from a closure of two paths.\n", "{mode} on {host}");
    let log = host.home("log");
    let start = host.start("/usr/bin/strace").arg("-o").arg(&log).arg(&program);
    start.env("PACKED_MODE", mode).run().expect_code(0);
    let log = fs::read_to_string(host.outside(log)).expect("strace has written a log");
    let lines = || log.lines().enumerate();
    let executions: Vec<usize> =
        lines().filter(|(_, line)| line.starts_with("execve(")).map(|(number, _)| number).collect();
    let [first, .., last] = executions[..] else { panic!("the program is not executed:\n{log}") };
    last - first
}

/// The calls of each mode, in a closure of two paths. Who needs one more has to say so here.
#[test]
fn a_start_makes_few_system_calls() {
    let count = |mode, nix| calls(&Host::new(User::ordinary(), nix), mode);
    assert!(count("relocate", Nix::Absent) <= 26);
    assert!(count("host", Nix::SamePaths) <= 13);
    assert!(count("namespace", Nix::Empty) <= 52 + label());
    assert!(count("namespace", Nix::OtherPaths) <= 52 + label());
}

/// The calls of asking for a security module's label and settings, where there is one.
fn label() -> usize {
    if fs::read("/proc/self/attr/current").is_ok() { 7 } else { 0 }
}

/// Two for each name at the top of the host's file system, to look at it and to mount it.
#[test]
fn a_new_root_takes_a_call_for_each_name() {
    let host = Host::new(User::ordinary(), Nix::Absent);
    let names = fs::read_dir("/").expect("list /").count();
    let calls = calls(&host, "namespace");
    assert!(calls <= 42 + label() + 2 * names, "{calls} calls for {names} names");
}
