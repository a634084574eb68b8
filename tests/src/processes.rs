//! The processes that run on a host.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The processes that run on a host.
#[derive(Debug)]
pub struct Processes {
    /// Their numbers and command lines.
    pub running: BTreeMap<i32, String>,
    mark: String,
}

impl Processes {
    /// Finds every process in a mount namespace into which directories below `base` are bound.
    ///
    /// Namespaces that a bundle makes of the host's are copies and have these mounts too; process groups,
    /// sessions and environments are no sure sign, since a program can change its own.
    pub(crate) fn with_mounts_of(base: &Path) -> Processes {
        let name = base.file_name().expect("a host has a directory").to_string_lossy();
        let mark = format!("/{name}/");
        Processes { running: find(&mark), mark }
    }

    /// Kills them all, also those that come while it does.
    pub fn kill(&self) {
        loop {
            let running = find(&self.mark);
            if running.is_empty() {
                return;
            }
            for pid in running.into_keys() {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

fn find(mark: &str) -> BTreeMap<i32, String> {
    let mut running = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("list processes") {
        let path = entry.expect("list processes").path();
        let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
            continue;
        };
        // A process that has ended has no mounts any more, or isn't even there.
        let Ok(mounts) = fs::read_to_string(path.join("mountinfo")) else { continue };
        if mounts.contains(mark) {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            running.insert(pid, line.escape_ascii().to_string().replace("\\x00", " "));
        }
    }
    running
}
