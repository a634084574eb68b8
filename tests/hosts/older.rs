//! Kernels that are older than any to be had here, as far as system calls go: a filter has what came later fail with
//! ENOSYS.
//!
//! It cannot take away flags of calls that remain, file systems, or files in /proc.

use std::fs;

use nix::errno::Errno;
use nix::libc::c_long;
use tests::{Host, Nix, Start, User};

use crate::filters::errno;
use crate::namespaces::NO_FURTHER;
use crate::refusals::SWITCHED_OFF;
use crate::row::Expected::{Runs, RunsFrom};
use crate::row::{Machine, Row};

/// The last system call of Linux 4.18, which RHEL 8 has: rseq. Numbers are in the order in which calls came.
const LINUX_4_18: c_long = if cfg!(target_arch = "x86_64") { 334 } else { 293 };

/// The last one of Linux 3.10, which RHEL 7 has: finit_module.
const LINUX_3_10: c_long = if cfg!(target_arch = "x86_64") { 313 } else { 273 };

/// Above the last one of every kernel.
const END: c_long = 512;

pub(crate) fn rows() -> Vec<Row> {
    let row = |name, user: fn() -> User, last| {
        Row::new(name, Runs("relocate"), Runs("namespace"), move || {
            let machine = Machine::new(Host::new(user(), Nix::Absent));
            machine.prepared(move |start| without_calls_after(last, start))
        })
    };
    let (relocate, namespace) = (RunsFrom("relocate", TEMPORARY), RunsFrom("namespace", TEMPORARY));
    vec![
        row("user, calls of Linux 4.18", User::ordinary, LINUX_4_18),
        row("root, calls of Linux 4.18", User::root, LINUX_4_18),
        row("user, calls of Linux 3.10", User::ordinary, LINUX_3_10),
        row("root, calls of Linux 3.10", User::root, LINUX_3_10),
        // As RHEL 7 is set up.
        Row::new("calls of 3.10, no namespaces", Runs("relocate"), SWITCHED_OFF, || {
            Machine::new(Host::ordinary()).prepared(|start| {
                without_calls_after(LINUX_3_10, start.user_namespace(NO_FURTHER.file()))
            })
        }),
        // Names in a directory for everybody are random, without getrandom too.
        Row::new("calls of 3.10, no HOME", relocate, namespace, || {
            let host = Host::ordinary();
            let taken = host.outside(format!("{TEMPORARY}00000000"));
            fs::create_dir(taken).expect("make a directory of root's");
            Machine::new(host)
                .prepared(|start| without_calls_after(LINUX_3_10, start.without_env("HOME")))
        }),
    ]
}

/// What the cache's path begins with where there is no home.
const TEMPORARY: &str = "/var/tmp/packed-";

fn without_calls_after(last: c_long, start: Start) -> Start {
    let calls: Vec<c_long> = (last + 1..END).collect();
    start.filter(&calls, errno(Errno::ENOSYS))
}
