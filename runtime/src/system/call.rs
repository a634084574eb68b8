//! System calls and facts about this process that `rustix` has no safe function for.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use rustix::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// The vectors that the kernel put on the stack: they live as long as the process.
pub type Strings = Vec<&'static CStr>;

/// Replaces the process by `program`; returns only if that fails.
pub fn exec(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    let terminated = |strings: &[&CStr]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (terminated(arguments), terminated(environment));
    // SAFETY: three pointers to strings and to null-terminated vectors of strings, all of which live
    // until the call returns.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    last_error()
}

/// Leaves the user and mount namespaces that `flags` names for new ones.
///
/// # Errors
///
/// What unshare(2) says.
pub fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: unsafe because of CLONE_FILES only, which is never passed: descriptors stay shared.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// The C library's text for an error.
pub fn message(errno: Errno) -> &'static str {
    // SAFETY: a static string for every number in musl; elsewhere, where only tests run, one that
    // lives until the thread's next call, and no test keeps it longer.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno.raw_os_error())) };
    text.to_str().unwrap_or("unknown error")
}

pub(super) fn last_error() -> Errno {
    // SAFETY: the location is the thread's own.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// The effective user, as the kernel told it to the process: without a system call.
pub fn user() -> u32 {
    // SAFETY: reads the auxiliary vector. A user's number is a u32.
    #[allow(clippy::cast_possible_truncation)]
    unsafe {
        libc::getauxval(libc::AT_EUID) as u32
    }
}

/// What the kernel shows in place of an owner who has no number in this user namespace: proc_sys_fs(5).
pub const OVERFLOW_UID: u32 = 65_534;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    user() == 0
}

/// Duplicates a descriptor to the first free number that is not below `least`, for the program to inherit.
///
/// # Errors
///
/// What fcntl(2) says.
pub fn duplicate_to_inherit(descriptor: BorrowedFd<'_>, least: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: F_DUPFD takes a number; the descriptor is open.
    let duplicate = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, least) };
    if duplicate < 0 {
        return Err(last_error());
    }
    // SAFETY: it was made just now, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// Whether the kernel raised the process's privileges at exec (set-user-id, capabilities).
pub fn is_privileged() -> bool {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the process has another group than its caller, but the same user, whose files its own are then.
pub fn has_callers_files() -> bool {
    // SAFETY: reads the auxiliary vector.
    let [user, real_user, group, real_group] =
        [libc::AT_EUID, libc::AT_UID, libc::AT_EGID, libc::AT_GID]
            .map(|kind| unsafe { libc::getauxval(kind) });
    group != real_group && user == real_user && user != 0
}

/// Whether the kernel has no security module that labels processes, such as AppArmor or SELinux.
///
/// Linux before 6.8 does not say; this returns `false` there.
pub fn has_no_label() -> bool {
    // lsm_get_self_attr(2): the same number on all processors.
    const GET_SELF_ATTR: libc::c_long = 459;
    const CURRENT: libc::c_uint = 100;
    let mut size: u32 = 0;
    // SAFETY: the kernel writes how many bytes there are, and none of them.
    let result = unsafe {
        libc::syscall(GET_SELF_ATTR, CURRENT, ptr::null_mut::<c_void>(), &raw mut size, 0)
    };
    result < 0 && last_error() == Errno::OPNOTSUPP
}

/// The path by which the kernel was asked to execute this program.
pub fn executed_as() -> Option<&'static CStr> {
    // SAFETY: reads the auxiliary vector.
    let path = ptr::with_exposed_provenance::<c_char>(
        usize::try_from(unsafe { libc::getauxval(libc::AT_EXECFN) }).ok()?,
    );
    // SAFETY: either null or the string that the kernel put on the stack.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}

/// Standard output, open or not.
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: nothing here closes it. Where the caller did, calls on it fail: `file::open` leaves its
    // number free.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Standard error, open or not.
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: as above.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// Keeps SIGXFSZ from killing the process at a limit of a file's size, until it is dropped: writing fails
/// then, which can be explained. The program gets the caller's disposition.
pub struct FileSizeErrors(libc::sighandler_t);

impl FileSizeErrors {
    /// Ignores the signal.
    pub fn begin() -> FileSizeErrors {
        // SAFETY: SIG_IGN is no handler: no code runs.
        FileSizeErrors(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) })
    }
}

impl Drop for FileSizeErrors {
    fn drop(&mut self) {
        // SAFETY: what was there before: after exec, that is SIG_DFL or SIG_IGN.
        unsafe { libc::signal(libc::SIGXFSZ, self.0) };
    }
}

/// A clock's time in seconds and nanoseconds.
///
/// By a plain system call: the faster way through the kernel's own page has to be looked up first, which
/// takes longer than the one or two calls of a start.
pub fn time(clock: Clock) -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec; both clocks exist everywhere.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock as libc::clockid_t, &raw mut time) };
    (time.tv_sec, time.tv_nsec)
}

/// A clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// Seconds since the epoch.
    Real = libc::CLOCK_REALTIME as isize,
    /// Seconds since some time of this boot.
    Monotonic = libc::CLOCK_MONOTONIC as isize,
}

/// Ends the process.
pub fn exit(status: c_int) -> ! {
    // SAFETY: no precondition; unlike exit(3) it runs no handlers.
    unsafe { libc::_exit(status) }
}
