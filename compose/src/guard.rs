//! The guard: a process that sleeps as long as the supervisor lives. If that is killed, it kills the services and
//! removes the directory for sockets and the lock.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::{Pid, setsid};

use crate::directories::{Run, State};
use crate::error::{Error, Result};

/// The value of `COMPOSED` that makes this program a guard.
pub const GUARD: &str = "guard";

/// The variable of all services that names their directory for sockets: a guard knows them by it.
pub const MARK: &str = "COMPOSED_RUN";

/// Time for killed processes to go; one that the kernel holds cannot be waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The supervisor's end. The guard is one of its children, and is killed as the last one of them.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    name: String,
    run: PathBuf,
    lock: File,
    lock_path: PathBuf,
}

impl Guard {
    /// Starts it. It holds the lock as well, so that nobody starts before it is done.
    ///
    /// # Errors
    ///
    /// If there are too many processes or descriptors.
    pub fn start(name: &str, state: &State, run: &Run) -> Result<Guard> {
        let failed = || Error::file("start", "the guard");
        let lock = state.lock.try_clone().map_err(failed())?;
        let child = spawn(name, &run.path, &lock, &state.lock_path).map_err(failed())?;
        let (name, run, lock_path) = (name.to_owned(), run.path.clone(), state.lock_path.clone());
        Ok(Guard { child, name, run, lock, lock_path })
    }

    /// Whether this is its process.
    #[must_use]
    pub fn is(&self, process: Pid) -> bool {
        i32::try_from(self.child.id()).is_ok_and(|id| id == process.as_raw())
    }

    /// Starts another one, after somebody has killed it.
    ///
    /// # Errors
    ///
    /// If there are too many processes or descriptors.
    pub fn start_again(&mut self, groups: impl Iterator<Item = Pid>) -> io::Result<()> {
        self.child = spawn(&self.name, &self.run, &self.lock, &self.lock_path)?;
        groups.for_each(|group| self.add(group));
        Ok(())
    }

    /// Tells it of a process group.
    pub fn add(&mut self, group: Pid) {
        self.tell(&format!("+{group}\n"));
    }

    /// Tells it that a process group is gone.
    pub fn remove(&mut self, group: Pid) {
        self.tell(&format!("-{group}\n"));
    }

    fn tell(&mut self, line: &str) {
        // If somebody has killed it, there is none.
        let _ = self.child.stdin.as_mut().map(|pipe| pipe.write_all(line.as_bytes()));
    }
}

fn spawn(name: &str, run: &Path, lock: &File, lock_path: &Path) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0(format!("{name}: {GUARD}"))
        .args([run, lock_path])
        .env("COMPOSED", GUARD)
        // The guard of a composition around this one leaves it its work.
        .env_remove(MARK)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(lock.try_clone()?)
        .stderr(Stdio::null())
        .spawn()
}

/// Waits for the supervisor's end, and does what that could not do.
///
/// It knows process groups from the supervisor, since servers write over their variables, and processes that left
/// them from their variables.
pub fn guard(run: &Path, lock: &Path) {
    // Signals are for the supervisor.
    let _ = setsid();
    let _ = SigSet::all().thread_block();
    let mut groups = BTreeSet::new();
    for line in io::stdin().lines().map_while(std::result::Result::ok) {
        let Some((sign, Ok(group))) =
            line.split_at_checked(1).map(|(sign, rest)| (sign, rest.parse()))
        else {
            continue;
        };
        match sign {
            "+" => groups.insert(group),
            _ => groups.remove(&group),
        };
    }
    let mark = [format!("{MARK}=").as_bytes(), run.as_os_str().as_bytes()].concat();
    let end = Instant::now() + PATIENCE;
    loop {
        groups.retain(|group| killpg(Pid::from_raw(*group), Signal::SIGKILL).is_ok());
        let marked = marked(&mark);
        for process in &marked {
            // It may have ended.
            let _ = kill(*process, Signal::SIGKILL);
        }
        if groups.is_empty() && marked.is_empty() || Instant::now() > end {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    // Who has removed them has done so for good.
    let _ = fs::remove_dir_all(run);
    let _ = fs::remove_file(lock);
}

fn marked(mark: &[u8]) -> Vec<Pid> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let variables = fs::read(entry.path().join("environ")).ok()?;
            variables
                .split(|byte| *byte == 0)
                .any(|one| one == mark)
                .then(|| Pid::from_raw(process))
        })
        .collect()
}
