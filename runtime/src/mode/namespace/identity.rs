//! A mount namespace in which this process may mount, and is still who it was.

use alloc::string::String;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{DumpableBehavior, getegid, set_dumpable_behavior};
use rustix::thread::UnshareFlags;

use super::mount::refused;
use crate::error::refusal::{Refusal, Step};
use crate::system::call;
use crate::system::file::{self, Permissions};
use crate::system::log::Log;

const SETGROUPS: &str = "/proc/self/setgroups";

/// Times to ask again while the kernel still counts a thread that has ended.
const ATTEMPTS: u32 = 1000;

/// Enters a new mount namespace: as real root directly, else through a user namespace.
///
/// A user namespace would take root's powers over the host away (mounts, devices, network). In one that
/// was made, users and groups keep their numbers: mapped to 0, the program would find itself root.
pub(crate) fn enter(log: Log) -> Result<(), Refusal> {
    if call::is_root() {
        match unshare(UnshareFlags::NEWNS) {
            Ok(()) => {
                // Mounts of the host still arrive; ours do not leave.
                let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
                return mount_change(c"/", flags).map_err(refused(Step::Mount, "/"));
            }
            // Root of a container that may not mount: as any other user.
            Err(errno) => log.debug(format_args!("unshare: {}", call::message(errno))),
        }
    }
    let (user, group) = (call::user(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(refused(Step::Unshare, ""))?;
    // Without this, a group map needs a privilege: it would let a user leave groups that deny access.
    let deny = || write(SETGROUPS, "deny".into());
    deny().or_else(|refusal: Refusal| match refusal.errno {
        // Of a process whose file its user may execute but not read, /proc/self belongs to root. This one
        // has no secrets, and says so; exec starts anew in that respect.
        Errno::ACCESS => {
            set_dumpable_behavior(DumpableBehavior::Dumpable)
                .map_err(refused(Step::Identity, SETGROUPS))?;
            deny()
        }
        _ => Err(refusal),
    })?;
    write("/proc/self/uid_map", alloc::format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", alloc::format!("{group} {group} 1"))
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    let mut result = call::unshare(flags);
    for _ in 0..ATTEMPTS {
        // A thread that was joined is counted until the kernel has cleared it away.
        if result != Err(Errno::INVAL) {
            break;
        }
        rustix::thread::sched_yield();
        result = call::unshare(flags);
    }
    result
}

fn write(path: &'static str, text: String) -> Result<(), Refusal> {
    let write = || {
        let name = alloc::ffi::CString::new(path).map_err(|_| Errno::INVAL)?;
        let map = file::open(CWD, &name, OFlags::WRONLY, Permissions::empty())?;
        // One call: the kernel takes a map whole or not at all.
        rustix::io::write(map, text.as_bytes()).map(|_| ())
    };
    write().map_err(refused(Step::Identity, path))
}
