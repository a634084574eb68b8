//! System calls that a seccomp filter refuses, as container engines and sandboxes do.

use nix::errno::Errno;
use nix::libc::{SYS_mount, SYS_unshare};
use seccompiler::SeccompAction::{self, KillProcess, Trap};
use tests::{Host, Start};

use crate::refusals::{KILLED, MOUNT_EACCES, MOUNT_EPERM, UNSHARE_ENOSYS, UNSHARE_EPERM};
use crate::row::Expected::Runs;
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let row = |name, fixed, filter: fn(Start) -> Start| {
        let make = move || Machine::new(Host::ordinary()).prepared(filter);
        Row::new(name, Runs("relocate"), fixed, make)
    };
    vec![
        row("unshare: EPERM", UNSHARE_EPERM, |start| unshare(start, errno(Errno::EPERM))),
        row("unshare: ENOSYS", UNSHARE_ENOSYS, |start| unshare(start, errno(Errno::ENOSYS))),
        row("unshare: SIGSYS", KILLED, |start| unshare(start, Trap)),
        row("unshare: killed", KILLED, |start| unshare(start, KillProcess)),
        row("mount: EPERM", MOUNT_EPERM, |start| mount(start, errno(Errno::EPERM))),
        row("mount: EACCES", MOUNT_EACCES, |start| mount(start, errno(Errno::EACCES))),
        row("mount: SIGSYS", KILLED, |start| mount(start, Trap)),
    ]
}

fn unshare(start: Start, action: SeccompAction) -> Start {
    start.filter(&[SYS_unshare], action)
}

fn mount(start: Start, action: SeccompAction) -> Start {
    start.filter(&[SYS_mount], action)
}

/// Has a call fail with this error.
pub(crate) fn errno(errno: Errno) -> SeccompAction {
    SeccompAction::Errno(errno as u32)
}
