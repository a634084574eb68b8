//! Runs a child process that tries steps that its parent could not undo.

use alloc::vec::Vec;
use core::ffi::c_int;

use rustix::io::{Errno, retry_on_intr};

use super::call::{exit, last_error};

/// How a child process ended.
#[derive(Debug)]
pub enum Child {
    /// It exited and wrote these bytes.
    Wrote(Vec<u8>),
    /// This signal killed it.
    Killed(c_int),
}

/// Runs `work` in a child process, and returns the bytes that `work` returns there.
///
/// The process must have only one thread. The parent gets no SIGCHLD, since the program that it
/// becomes may handle that signal.
///
/// # Errors
///
/// What clone(2), pipe(2) and waitpid(2) say.
pub fn in_child(work: impl FnOnce() -> Vec<u8>) -> Result<Child, Errno> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: this is fork(2) without a signal at the child's end. All arguments are 0, so their
    // order, which differs between processors, does not matter. No other thread holds a lock of the
    // allocator.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if pid == 0 {
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        // A killed child is expected, so it needs no core file.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        // If the parent has ended, no process needs the answer.
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
    // SAFETY: `status` is a local variable. __WALL waits also for a child that sends no signal.
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
