//! Enters a mount namespace in which this process may mount and keeps its user and group.

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

/// Number of attempts while the kernel still counts a thread that has ended.
const ATTEMPTS: u32 = 1000;

/// Enters a new mount namespace: directly if root may do that, otherwise through a user namespace.
///
/// Root avoids a user namespace, in which it would lose its rights over the host (mounts, devices,
/// network). In a new user namespace, user and group keep their numbers: mapped to 0, the program
/// would believe that it is root.
pub(crate) fn enter(log: Log) -> Result<(), Refusal> {
    if call::is_root() {
        match unshare(UnshareFlags::NEWNS) {
            Ok(()) => {
                // Mounts of the host still appear in the namespace; mounts in the namespace do not
                // appear on the host.
                let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
                return mount_change(c"/", flags).map_err(refused(Step::Mount, "/"));
            }
            // Root that may not mount, as in a default container, tries a user namespace like any
            // other user.
            Err(errno) => log.debug(format_args!("unshare: {}", call::message(errno))),
        }
    }
    let (user, group) = (call::user(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(refused(Step::Unshare, ""))?;
    // Without this, writing gid_map needs a privilege (user_namespaces(7)): dropping a group can
    // give access to files that deny it.
    let deny = || write(SETGROUPS, "deny".into());
    deny().or_else(|refusal: Refusal| match refusal.errno {
        // If the user may execute but not read the program's file, the process is not dumpable, and
        // root owns its /proc/self (proc(5)). This process has no secrets, so it may become
        // dumpable; exec resets that.
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
        // The kernel counts a joined thread for a short time after its end.
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
        // Use one call: the kernel takes a whole map only.
        rustix::io::write(map, text.as_bytes()).map(|_| ())
    };
    write().map_err(refused(Step::Identity, path))
}
