//! A kernel that is older than the machine's: 5.10, of Debian 11.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::refusals::UNPRIVILEGED_OFF;
use crate::row::Expected::{self, Runs};
use crate::row::Row;
use crate::virtual_machine::VirtualMachine;

pub(crate) fn rows() -> Vec<Row> {
    let machine = Arc::new(LazyLock::new(|| Mutex::new(VirtualMachine::boot())));
    let row = |name, user: &'static str, fixed: Expected, before: &'static str| {
        let machine = Arc::clone(&machine);
        Row::started(name, Runs("relocate"), fixed, move |packed, log| {
            // After a failure in another cell it may still run.
            let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
            machine.run(&format!("{AS_NEW}; {before}")).expect_code(0);
            let program = packed.command();
            let command = format!("su --login {user} -c 'PACKED_LOG={log} {program}'");
            [0, 1].map(|_| {
                let ended = machine.run(&command);
                packed.check(&ended);
                ended
            })
        })
        .needing(&["debootstrap", "mke2fs", "qemu-system-x86_64"])
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

/// Takes away what another cell left.
const AS_NEW: &str = "rm -rf /nix /home/alice /root/.cache /root/* /tmp/* /var/tmp/* && \
    install -d -o alice -g alice /home/alice && \
    switch=/proc/sys/kernel/unprivileged_userns_clone && echo 1 > $switch";

const NO_NAMESPACES: &str = "echo 0 > $switch";

const OTHER_PATHS: &str = "mkdir -p /nix/store/00000000000000000000000000000000-other";
