//! Runs one program and measures it, from before the spawn until its end. The only file here with unsafe code.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsString};
use std::fs::{File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};

/// A program with all its strings, ready to be spawned.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
}

/// The measurements of a program that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// The time from before the spawn until wait4 returned.
    pub(crate) took: Duration,
    /// The processor time of the program and its children, in all threads.
    pub(crate) worked: Duration,
    /// The peak memory of the program or of a child that it waited for, in KiB. It is never less than the memory of
    /// the spawning process, whose pages count until exec.
    pub(crate) peak: u64,
    /// The exit status; `None` if a signal ended the program.
    pub(crate) code: Option<i32>,
}

/// Runs a command, which must succeed; its environment is added to that of this process.
pub(crate) fn timed(command: &Command) -> Ended {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let arguments: Vec<CString> = words.map(|word| c_string(word.as_bytes())).collect();
    let mut variables: BTreeMap<OsString, OsString> = env::vars_os().collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => variables.insert(name.into(), value.into()),
            None => variables.remove(name),
        };
    }
    let variable = |(name, value): (OsString, OsString)| {
        c_string([name.as_bytes(), b"=", value.as_bytes()].concat())
    };
    let environment = variables.into_iter().map(variable).collect();
    let program = Program { path: arguments[0].clone(), arguments, environment };
    let null = OpenOptions::new().write(true).open("/dev/null").expect("open /dev/null");
    let ended = run(&program, &null).unwrap_or_else(|errno| panic!("{command:?}: {errno}"));
    assert_eq!(ended.code, Some(0), "{command:?}");
    ended
}

/// Makes a string for exec.
pub(crate) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL in strings for exec")
}

/// Makes a string of the environment.
pub(crate) fn variable(name: &str, value: &str) -> CString {
    c_string(format!("{name}={value}"))
}

/// Spawns a program and waits for it; its stdout is `stdout`.
///
/// posix_spawn of glibc shares the memory until exec, so the time does not depend on the size of the caller.
pub(crate) fn run(program: &Program, stdout: &File) -> nix::Result<Ended> {
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(stdout.as_raw_fd(), 1)?;
    let attributes = PosixSpawnAttr::init()?;
    let Program { path, arguments, environment } = program;

    let begin = Instant::now();
    let pid = posix_spawn(path.as_c_str(), &actions, &attributes, arguments, environment)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers point to local variables; the child is ours, and this is the only wait for it.
    let waited = unsafe { libc::wait4(pid.as_raw(), &raw mut status, 0, usage.as_mut_ptr()) };
    let took = begin.elapsed();

    Errno::result(waited)?;
    // SAFETY: all fields are integers, and they were zero before the call.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| {
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_micros(part(time.tv_usec))
    };
    let worked = time(usage.ru_utime) + time(usage.ru_stime);
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    Ok(Ended { took, worked, peak: usage.ru_maxrss.try_into().unwrap_or(0), code })
}
