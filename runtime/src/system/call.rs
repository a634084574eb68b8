//! System calls and facts about this process that `rustix` has no safe function for.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use rustix::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Argument and environment strings, which the kernel put on the stack. They live as long as the
/// process.
pub type Strings = Vec<&'static CStr>;

/// Replaces the process by `program`; returns only if that fails.
pub fn exec(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    let terminated = |strings: &[&CStr]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (terminated(arguments), terminated(environment));
    // SAFETY: the pointers are to a string and to null-terminated vectors of strings. All of them
    // live until the call returns.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    last_error()
}

/// Moves the process to new namespaces; `flags` names their kinds.
///
/// # Errors
///
/// What unshare(2) says.
pub fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only CLONE_FILES makes the call unsafe, and it is never passed.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Returns the C library's text for an error.
pub fn message(errno: Errno) -> &'static str {
    // SAFETY: musl returns a static string for every number. Other C libraries, which only tests
    // use, return one that lives until the thread's next call; no test keeps it longer.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno.raw_os_error())) };
    text.to_str().unwrap_or("unknown error")
}

pub(super) fn last_error() -> Errno {
    // SAFETY: the location is the thread's own.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// Returns the effective user, from the auxiliary vector: this needs no system call.
pub fn user() -> u32 {
    // SAFETY: reads the auxiliary vector. A user's number fits a u32.
    #[allow(clippy::cast_possible_truncation)]
    unsafe {
        libc::getauxval(libc::AT_EUID) as u32
    }
}

/// The owner that the kernel shows for a user without a number in this user namespace:
/// proc_sys_fs(5).
pub const OVERFLOW_UID: u32 = 65_534;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    user() == 0
}

/// Duplicates a descriptor to the first free number from `least` on. The program inherits it.
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
    // SAFETY: the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// Whether exec gave the process more privileges than its caller has (set-user-id, capabilities).
pub fn is_privileged() -> bool {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the process runs as its caller's user, who is not root, but with another group.
pub fn is_set_group_id() -> bool {
    // SAFETY: reads the auxiliary vector.
    let [user, real_user, group, real_group] =
        [libc::AT_EUID, libc::AT_UID, libc::AT_EGID, libc::AT_GID]
            .map(|kind| unsafe { libc::getauxval(kind) });
    group != real_group && user == real_user && user != 0
}

/// Whether the kernel has no security module that labels processes, such as AppArmor or SELinux.
///
/// It returns `false` on Linux before 6.8, which has no call for this.
pub fn has_no_label() -> bool {
    // lsm_get_self_attr(2) has the same number on all processors.
    const GET_SELF_ATTR: libc::c_long = 459;
    const CURRENT: libc::c_uint = 100;
    let mut size: u32 = 0;
    // SAFETY: the kernel writes only the size, since the pointer to the attributes is null.
    let result = unsafe {
        libc::syscall(GET_SELF_ATTR, CURRENT, ptr::null_mut::<c_void>(), &raw mut size, 0)
    };
    result < 0 && last_error() == Errno::OPNOTSUPP
}

/// Returns the path that was given to execve(2) for this program.
pub fn executed_as() -> Option<&'static CStr> {
    // SAFETY: reads the auxiliary vector.
    let path = ptr::with_exposed_provenance::<c_char>(
        usize::try_from(unsafe { libc::getauxval(libc::AT_EXECFN) }).ok()?,
    );
    // SAFETY: it is null, or points to a string that the kernel put on the stack.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}

/// Returns a number made of random bytes that the kernel gave this process and of the time, so that each call returns
/// another one.
#[cold]
pub fn random_of_start() -> u64 {
    // SAFETY: reads the auxiliary vector.
    let bytes = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let bytes =
        usize::try_from(bytes).map_or(ptr::null(), ptr::with_exposed_provenance::<[u64; 2]>);
    // SAFETY: it is null, or points to 16 bytes that the kernel put on the stack. The C library uses
    // the first 8, against overflows of the stack.
    let random = if bytes.is_null() { 0 } else { unsafe { bytes.read_unaligned()[1] } };
    let (seconds, nanoseconds) = time(Clock::Monotonic);
    random ^ seconds.rotate_left(32).cast_unsigned() ^ nanoseconds.cast_unsigned()
}

/// Returns standard output, which may be closed.
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: this program never closes it. If the caller did, calls on it fail: `file::open` does
    // not use its number.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Returns standard error, which may be closed.
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: as for `stdout`.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// Ignores SIGXFSZ until it is dropped. So a write beyond the limit of a file's size returns an
/// error, which can be explained, instead of killing the process. The program gets the caller's
/// setting.
pub struct FileSizeErrors(libc::sighandler_t);

impl FileSizeErrors {
    /// Ignores the signal.
    pub fn begin() -> FileSizeErrors {
        // SAFETY: SIG_IGN is not a handler, so no code runs.
        FileSizeErrors(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) })
    }
}

impl Drop for FileSizeErrors {
    fn drop(&mut self) {
        // SAFETY: the old setting is SIG_DFL or SIG_IGN: exec resets handlers.
        unsafe { libc::signal(libc::SIGXFSZ, self.0) };
    }
}

/// Returns a clock's time in seconds and nanoseconds.
///
/// It makes a plain system call. The faster vDSO must be looked up first, which takes longer than
/// the one or two calls of a start.
pub fn time(clock: Clock) -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec; both clocks exist on every Linux.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock as libc::clockid_t, &raw mut time) };
    (time.tv_sec, time.tv_nsec)
}

/// A clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// Seconds since the epoch.
    Real = libc::CLOCK_REALTIME as isize,
    /// Seconds since an unspecified time in this boot.
    Monotonic = libc::CLOCK_MONOTONIC as isize,
    /// Seconds since the boot.
    Boot = libc::CLOCK_BOOTTIME as isize,
}

/// Ends the process.
pub fn exit(status: c_int) -> ! {
    // SAFETY: it has no precondition. Unlike exit(3), it runs no handlers.
    unsafe { libc::_exit(status) }
}
