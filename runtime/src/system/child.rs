//! A child process that tries what its parent could not take back.

use alloc::vec::Vec;
use core::ffi::c_int;

use rustix::io::{Errno, retry_on_intr};

use super::call::{exit, last_error};

/// How a child process ended.
#[derive(Debug)]
pub enum Child {
    /// It wrote these bytes, and exited.
    Wrote(Vec<u8>),
    /// This signal ended it.
    Killed(c_int),
}

/// Runs `work` in a child process; `work` returns what the child writes.
///
/// Only for a process with one thread. The parent gets no SIGCHLD: what its program does with that is
/// its own business.
///
/// # Errors
///
/// What clone(2), pipe(2) and waitpid(2) say.
pub fn in_child(work: impl FnOnce() -> Vec<u8>) -> Result<Child, Errno> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: like fork(2) but for the signal at its end, which is none: all arguments are 0, so their
    // order, which differs between processors, is no matter. Nobody else holds a lock of the allocator.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if pid == 0 {
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        // A child that is killed is no crash to keep a core of.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        // A parent that is gone needs no answer.
        let _ = rustix::io::write(&write, &work());
        exit(0);
    }
    drop(write);
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::RANGE)?;
    if pid < 0 {
        return Err(last_error());
    }
    let mut bytes = Vec::new();
    let mut piece = [0; 512];
    while let Ok(len @ 1..) = retry_on_intr(|| rustix::io::read(&read, &mut piece)) {
        bytes.extend_from_slice(&piece[..len]);
    }
    let mut status = 0;
    // SAFETY: `status` is ours. __WALL: also for a child that sends no signal.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } < 0 {
        match last_error() {
            Errno::INTR => {}
            errno => return Err(errno),
        }
    }
    Ok(match libc::WIFSIGNALED(status) {
        true => Child::Killed(libc::WTERMSIG(status)),
        false => Child::Wrote(bytes),
    })
}
