//! A kernel that is older than the machine's: 5.10, of Debian 11.

use crate::refusals::UNPRIVILEGED_OFF;
use crate::row::Expected::{self, Runs};
use crate::row::Row;
use crate::virtual_machine::Shared;

pub(crate) fn rows(machine: &Shared) -> Vec<Row> {
    let row = |name, user: &'static str, fixed: Expected, before: &'static str| {
        let machine = machine.clone();
        let needed = machine.model.needed;
        Row::started(name, Runs("relocate"), fixed, move |packed, log| {
            let mut machine = machine.renewed();
            machine.run(before).expect_code(0);
            let program = packed.command("");
            let command = format!("su -l {user} -c 'PACKED_LOG={log} {program}'");
            [0, 1].map(|_| {
                let ended = machine.run(&command);
                packed.check(&ended);
                ended
            })
        })
        .needing(needed)
    };
    let runs = Runs("namespace");
    vec![
        row("user, Linux 5.10", "alice", runs, "true"),
        // Before 5.11, the kernel refuses overlays to users, even in namespaces of their own.
        row("user, 5.10, other paths", "alice", runs, OTHER_PATHS),
        // What Debian's kernels before this one had by default.
        row("user, 5.10, no namespaces", "alice", UNPRIVILEGED_OFF, NO_NAMESPACES),
        row("root, Linux 5.10", "root", runs, NO_NAMESPACES),
    ]
}

const NO_NAMESPACES: &str = "echo 0 >/proc/sys/kernel/unprivileged_userns_clone";

const OTHER_PATHS: &str = "mkdir -p /nix/store/00000000000000000000000000000000-other";
