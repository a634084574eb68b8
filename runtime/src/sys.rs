//! What needs unsafe code: the stub's start, exec, a child, threads and `unshare`.
//!
//! Every other file forbids it; other system calls go through `rustix`.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use rustix::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
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

/// Runs `work` on this thread and on `threads - 1` others, and waits for all of them.
///
/// Where the system allows fewer threads, fewer run.
///
/// # Errors
///
/// The first error that a thread's `work` returned.
pub fn parallel<E: Send, W>(threads: usize, work: W) -> Result<(), E>
where
    W: Fn() -> Result<(), E> + Sync,
{
    /// Returns null, or an error in a box of its own.
    extern "C" fn run<E, W: Fn() -> Result<(), E> + Sync>(work: *mut c_void) -> *mut c_void {
        // SAFETY: the pointer is to the `work` of the call below, which does not return, and so does
        // not drop it, before this thread has ended.
        let work = unsafe { &*work.cast::<W>() };
        match work() {
            Ok(()) => ptr::null_mut(),
            Err(error) => Box::into_raw(Box::new(error)).cast(),
        }
    }
    let mut others: Vec<libc::pthread_t> = Vec::new();
    let argument = ptr::from_ref(&work).cast_mut().cast();
    for _ in 1..threads {
        let mut thread = MaybeUninit::uninit();
        let created =
            // SAFETY: `run` only shares `work`, which is Sync, and hands over an E, which is Send.
            unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run::<E, W>, argument) };
        if created != 0 {
            break;
        }
        // SAFETY: a successful pthread_create has written it.
        others.push(unsafe { thread.assume_init() });
    }
    let mut result = work();
    for thread in others {
        let mut error = ptr::null_mut();
        // SAFETY: the thread was created above, is joinable and is joined once.
        unsafe { libc::pthread_join(thread, &raw mut error) };
        if !error.is_null() {
            // SAFETY: it is the box that `run` made, and this is the only place that takes it.
            let error = *unsafe { Box::from_raw(error.cast::<E>()) };
            result = result.and(Err(error));
        }
    }
    result
}

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

/// The C library's text for an error.
pub fn message(errno: Errno) -> &'static str {
    // SAFETY: a static string for every number in musl; elsewhere, where only tests run, one that
    // lives until the thread's next call, and no test keeps it longer.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno.raw_os_error())) };
    text.to_str().unwrap_or("unknown error")
}

fn last_error() -> Errno {
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

/// The symbols that make the crate a program without the standard library.
///
/// The standard library's start would set SIGPIPE to ignored and costs 200 KiB.
#[cfg(feature = "stub")]
mod stub {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::UnsafeCell;
    use core::panic::PanicInfo;
    use core::ptr;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use format::{DESCRIPTOR_LEN, NOTE_NAME, NOTE_TYPE};

    use super::{CStr, Strings, Vec, c_char, c_int, c_void};

    /// An ELF note (elf(5)) whose content the packer replaces by the bundle's descriptor.
    #[repr(C, align(4))]
    struct Note {
        name_len: u32,
        content_len: u32,
        note_type: u32,
        /// The owner's name, a NUL, and padding to a multiple of 4.
        name: [u8; 8],
        content: [u8; DESCRIPTOR_LEN],
    }

    /// A length as an ELF note has it. `u32::try_from` is not for constants.
    #[allow(clippy::cast_possible_truncation)]
    const fn note_len(len: usize) -> u32 {
        assert!(len <= DESCRIPTOR_LEN);
        len as u32
    }

    const NAME: [u8; 8] = {
        let mut name = [0; 8];
        name.split_at_mut(NOTE_NAME.len()).0.copy_from_slice(NOTE_NAME.as_bytes());
        name
    };

    #[used]
    #[unsafe(link_section = ".note.packer")]
    static NOTE: Note = Note {
        name_len: note_len(NOTE_NAME.len() + 1),
        content_len: note_len(DESCRIPTOR_LEN),
        note_type: NOTE_TYPE,
        name: NAME,
        content: [0; DESCRIPTOR_LEN],
    };

    /// musl's start-up code calls this; its result is the exit status.
    #[unsafe(no_mangle)]
    extern "C" fn main(_: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
        // The compiler knows the note as zeros, so it must not see where the pointer comes from.
        let descriptor = &core::hint::black_box(&NOTE).content;
        // SAFETY: the kernel's vectors, which stay where they are.
        let (arguments, environment) = unsafe { (strings(argv), strings(envp)) };
        crate::launch::main(descriptor, arguments, environment)
    }

    // The standard library would bring the C library along.
    #[link(name = "c", kind = "static", modifiers = "-bundle")]
    unsafe extern "C" {}

    /// Named by the unwind tables of the precompiled `core`; a program that aborts never calls it.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}

    /// Called by cleanup code of the precompiled `alloc`, which never runs either.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Resume() -> ! {
        super::exit(125)
    }

    /// Bytes for the first allocations: all that a start of an unpacked bundle needs.
    const ARENA_LEN: usize = 64 << 10;

    /// Alignment of everything that is allocated; no type here asks for more.
    const ALIGN: usize = 16;

    /// Memory that the kernel maps with the program: asking it for more takes system calls.
    #[repr(C, align(16))]
    struct Arena {
        bytes: UnsafeCell<[u8; ARENA_LEN]>,
        /// How many of them were given away.
        used: AtomicUsize,
    }

    // SAFETY: each byte is given to one caller only.
    unsafe impl Sync for Arena {}

    impl Arena {
        /// Takes the next bytes; null if there are too few.
        fn take(&self, size: usize) -> *mut u8 {
            let Some(size) = size.checked_next_multiple_of(ALIGN) else { return ptr::null_mut() };
            let next = |used: usize| used.checked_add(size).filter(|end| *end <= ARENA_LEN);
            match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
                // SAFETY: the offset is inside the array.
                Ok(used) => unsafe { self.bytes.get().cast::<u8>().add(used) },
                Err(_) => ptr::null_mut(),
            }
        }

        /// Takes back the bytes that were given away last; all others stay where they are.
        fn give_back(&self, block: *mut u8, size: usize) {
            let start = block.addr() - self.bytes.get().addr();
            let end = start + size.next_multiple_of(ALIGN);
            // That others were given away since is no failure.
            let _ = self.used.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
        }

        fn owns(&self, block: *mut u8) -> bool {
            let start = self.bytes.get().addr();
            (start..start + ARENA_LEN).contains(&block.addr())
        }
    }

    /// The arena, and then the C library's allocator.
    struct Allocator;

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator;

    static ARENA: Arena =
        Arena { bytes: UnsafeCell::new([0; ARENA_LEN]), used: AtomicUsize::new(0) };

    // SAFETY: malloc aligns to 16 bytes as the arena does; what is from the one never goes to the other.
    unsafe impl GlobalAlloc for Allocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            debug_assert!(layout.align() <= ALIGN);
            let block = ARENA.take(layout.size());
            // SAFETY: no precondition.
            if block.is_null() { unsafe { libc::malloc(layout.size()).cast() } } else { block }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            let block = ARENA.take(layout.size());
            if block.is_null() {
                // SAFETY: no precondition. Large blocks come from the kernel as zeros, untouched.
                return unsafe { libc::calloc(layout.size(), 1).cast() };
            }
            // SAFETY: the block has that many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
            block
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if ARENA.owns(block) {
                ARENA.give_back(block, layout.size());
            } else {
                // SAFETY: it came from malloc or calloc.
                unsafe { libc::free(block.cast::<c_void>()) }
            }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if !ARENA.owns(block) {
                // SAFETY: it came from malloc or calloc.
                return unsafe { libc::realloc(block.cast::<c_void>(), size).cast() };
            }
            let len = layout.size().min(size);
            // SAFETY: the caller's layout, with another size; both blocks have `len` bytes, and the new one
            // is nobody else's.
            unsafe {
                let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !new.is_null() {
                    ptr::copy_nonoverlapping(block, new, len);
                    self.dealloc(block, layout);
                }
                new
            }
        }
    }

    #[panic_handler]
    fn panic(info: &PanicInfo<'_>) -> ! {
        crate::launch::bug(info)
    }

    /// Collects a null-terminated vector of strings.
    ///
    /// # Safety
    ///
    /// `vector` is one, and it lives as long as the process.
    unsafe fn strings(mut vector: *const *const c_char) -> Strings {
        let mut strings = Vec::new();
        // SAFETY: the caller's promise; the walk stops at the null.
        unsafe {
            while !(*vector).is_null() {
                strings.push(CStr::from_ptr(*vector));
                vector = vector.add(1);
            }
        }
        strings
    }
}
