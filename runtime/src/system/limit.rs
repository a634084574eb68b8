//! How much memory and stack this process may use.

use alloc::ffi::CString;
use alloc::format;
use core::str::FromStr;

use rustix::fs::CWD;
use rustix::process::{Resource, getrlimit};

use super::{call, file};

/// Bytes of stack that the launcher needs to read its payload: 16 KiB were enough when measured.
const STACK: u64 = 20 << 10;

/// What keeps this process from getting more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The size of its address space: `RLIMIT_AS` of getrlimit(2).
    AddressSpace,
    /// The size of its data: `RLIMIT_DATA`.
    Data,
    /// Its control group allows so many bytes: cgroups(7).
    ControlGroup(u64),
    /// There is no more memory.
    Machine,
}

impl MemoryLimit {
    /// Finds the limit that an allocation has most likely met.
    #[must_use]
    pub fn met() -> MemoryLimit {
        let limit = |resource| getrlimit(resource).current.unwrap_or(u64::MAX);
        match (limit(Resource::As), limit(Resource::Data)) {
            (u64::MAX, u64::MAX) => MemoryLimit::Machine,
            (space, data) if data < space => MemoryLimit::Data,
            _ => MemoryLimit::AddressSpace,
        }
    }
}

/// Returns the memory in bytes that the control group of this process allows, if the kernel then kills the process
/// instead of moving some of it to a disk.
#[must_use]
pub fn control_group() -> Option<u64> {
    let text = |name: &str| {
        let bytes = file::read(CWD, &CString::new(name).ok()?, 1 << 16).ok()?;
        alloc::string::String::from_utf8(bytes).ok()
    };
    let number = |name: &str| u64::from_str(text(name)?.trim()).ok();
    let mut least = None;
    for line in text("/proc/self/cgroup")?.lines() {
        // Hierarchy, controllers, path: cgroups(7). Version 2 has no controllers there.
        let mut fields = line.splitn(3, ':').skip(1);
        let (directory, name) = match fields.next()? {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // A limit of a group above counts, too. In a container, the path can begin above its root.
        let mut path = fields.next()?;
        loop {
            let path_here = path.trim_end_matches('/');
            least =
                least.into_iter().chain(number(&format!("{directory}{path_here}/{name}"))).min();
            match path_here.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    let has_swap = rustix::system::sysinfo().totalswap > 0;
    // Version 1 has a number of pages as large as possible for no limit.
    least.filter(|limit| *limit < 1 << 60 && !has_swap)
}

/// Whether enough of the stack is left to read the payload. The arguments and the environment are on it.
#[must_use]
pub fn has_stack() -> bool {
    let Some(limit) = getrlimit(Resource::Stack).current else { return true };
    let here = core::ptr::from_ref(&limit).addr();
    // The kernel puts the path of the program at the top.
    let top = call::executed_as().map_or(here, |path| path.as_ptr().addr());
    limit.saturating_sub(top.saturating_sub(here) as u64) >= STACK
}
