//! A control group with little memory. cgroups(7)

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A control group that processes can be put into; it is removed when it is dropped, and is empty then.
#[derive(Debug)]
pub struct ControlGroup {
    directory: PathBuf,
}

impl ControlGroup {
    /// Makes a group whose processes may use this much memory together, in bytes, and no swap.
    #[must_use]
    pub fn with_memory(bytes: u64) -> ControlGroup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Version 1 has a hierarchy of its own for memory.
        let old = Path::new("/sys/fs/cgroup/memory");
        let (top, limits) = match old.is_dir() {
            true => (old, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
            false => (Path::new("/sys/fs/cgroup"), ["memory.max", "memory.swap.max"]),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = top.join(format!("packer-test-{}-{number}", process::id()));
        fs::create_dir(&directory).unwrap_or_else(|error| {
            panic!("cannot make a control group in {}: {error}", top.display())
        });
        let group = ControlGroup { directory };
        let [memory, swap] = limits.map(|name| group.directory.join(name));
        fs::write(&memory, bytes.to_string()).unwrap_or_else(|error| {
            panic!("control groups have no limit of memory here: {}: {error}", memory.display())
        });
        // A kernel without swap has no such file. In version 1 it is the sum.
        let swap_bytes = if old.is_dir() { bytes } else { 0 };
        if swap.exists() {
            fs::write(&swap, swap_bytes.to_string()).expect("limit the swap");
        }
        group
    }

    /// The file to which a process writes its number.
    pub(crate) fn processes(&self) -> OwnedFd {
        let path = self.directory.join("cgroup.procs");
        File::options().write(true).open(path).expect("open a control group").into()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // If a process is still in it, the group stays; the test has failed then.
        let _ = fs::remove_dir(&self.directory);
    }
}
