//! Opens, reads and writes files, by directory and name.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
pub use rustix::fs::Mode as Permissions;
use rustix::fs::{AtFlags, FileType, FlockOperation, OFlags, RenameFlags, Timespec, flock};
use rustix::io::{Errno, fcntl_dupfd_cloexec, pread, pwrite, retry_on_intr};

use super::call;

/// The flags for opening a directory that the launcher made: they refuse links.
pub const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// Opens a file; exec closes it.
///
/// Its number is at least 3: if the caller closed a standard descriptor, a message must not go to
/// this file.
///
/// # Errors
///
/// What openat(2) says.
pub fn open(
    directory: impl AsFd,
    name: &CStr,
    flags: OFlags,
    permissions: Permissions,
) -> Result<OwnedFd, Errno> {
    let file = retry_on_intr(|| {
        rustix::fs::openat(directory.as_fd(), name, flags | OFlags::CLOEXEC, permissions)
    })?;
    if file.as_raw_fd() < 3 { fcntl_dupfd_cloexec(&file, 3) } else { Ok(file) }
}

/// Opens a directory by its name; the name must not be a link.
///
/// # Errors
///
/// What openat(2) says.
pub fn open_directory(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    open(directory, name, DIRECTORY, Permissions::empty())
}

/// Opens a directory, which is created if it is absent.
///
/// # Errors
///
/// What mkdirat(2) or openat(2) say; `LOOP` or `NOTDIR` if the name is a link or a file.
pub fn ensure_directory(
    directory: impl AsFd,
    name: &CStr,
    permissions: Permissions,
) -> Result<OwnedFd, Errno> {
    let directory = directory.as_fd();
    match open_directory(directory, name) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    match rustix::fs::mkdirat(directory, name, permissions) {
        Ok(()) | Err(Errno::EXIST) => open_directory(directory, name),
        Err(errno) => Err(errno),
    }
}

/// Fills `buffer`; returns `false` if the file ends before that.
///
/// # Errors
///
/// What pread(2) says.
pub fn read_at(
    file: BorrowedFd<'_>,
    mut buffer: &mut [u8],
    mut offset: u64,
) -> Result<bool, Errno> {
    while !buffer.is_empty() {
        let len = retry_on_intr(|| pread(file, &mut *buffer, offset))?;
        if len == 0 {
            return Ok(false);
        }
        buffer = &mut buffer[len..];
        offset += len as u64;
    }
    Ok(true)
}

/// Writes all bytes.
///
/// # Errors
///
/// What pwrite(2) says; `IO` if it writes no bytes and returns no error.
pub fn write_at(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let len = retry_on_intr(|| pwrite(file, bytes, offset))?;
        if len == 0 {
            return Err(Errno::IO);
        }
        bytes = &bytes[len..];
        offset += len as u64;
    }
    Ok(())
}

/// Reads a whole file of up to `limit` bytes.
///
/// # Errors
///
/// What openat(2) and pread(2) say; `FBIG` if the file is longer.
// If it were inlined, its buffer would be in the caller's stack frame, and every start would touch
// more pages.
#[inline(never)]
pub fn read(directory: impl AsFd, name: &CStr, limit: usize) -> Result<Vec<u8>, Errno> {
    // Who opens a pipe waits for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    read_open(&open(directory, name, flags, Permissions::empty())?, limit)
}

/// Reads an open file of up to `limit` bytes from its position.
///
/// # Errors
///
/// What read(2) says; `FBIG` if the file is longer.
// For the same reason as `read`.
#[inline(never)]
pub fn read_open(file: &OwnedFd, limit: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let len = retry_on_intr(|| rustix::io::read(file, &mut piece))?;
        if len == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&piece[..len]);
        if bytes.len() > limit {
            return Err(Errno::FBIG);
        }
    }
}

/// Calls `visit` with the name and the type of everything in a directory except `.` and `..`.
///
/// # Errors
///
/// What getdents64(2) says, or the first error of `visit`.
// For the same reason as `read`.
#[inline(never)]
pub fn list<E: From<Errno>>(
    directory: impl AsFd,
    mut visit: impl FnMut(&CStr, rustix::fs::FileType) -> Result<(), E>,
) -> Result<(), E> {
    rustix::fs::seek(&directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [const { core::mem::MaybeUninit::uninit() }; 2048];
    let mut entries = rustix::fs::RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            visit(entry.file_name(), entry.file_type())?;
        }
    }
    Ok(())
}

/// Whether a name is that of a directory, not of a link to one.
///
/// # Errors
///
/// What fstatat(2) says.
pub fn is_directory(directory: impl AsFd, name: &CStr) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Whether a directory is empty. It must have just been opened.
///
/// # Errors
///
/// What getdents64(2) says.
pub fn is_empty(directory: impl AsFd) -> Result<bool, Errno> {
    // Room for `.`, `..` and one name of any length, so that the rest of a large directory is not
    // read.
    let mut buffer = [const { core::mem::MaybeUninit::uninit() }; 512];
    let mut entries = rustix::fs::RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the names in a directory, unsorted.
///
/// # Errors
///
/// What getdents64(2) says.
pub fn names(directory: impl AsFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    list(directory, |name, _| {
        names.push(name.into());
        Ok::<(), Errno>(())
    })?;
    Ok(names)
}

/// Renames a file in its directory, which must not have the new name.
///
/// # Errors
///
/// What renameat2(2) says; `EXIST` or `NOTEMPTY` if the directory has the name.
pub fn rename_new(directory: &OwnedFd, old: &CStr, new: &CStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(directory, old, directory, new, RenameFlags::NOREPLACE) {
        // The file system does not support NOREPLACE. A plain rename cannot replace a directory
        // that is not empty.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(directory, old, directory, new),
        result => result,
    }
}

/// Exchanges two names in a directory.
///
/// # Errors
///
/// What renameat2(2) says; `NOENT` if one does not exist, `XDEV` for a directory of an overlay's lower layer.
pub fn exchange(directory: &OwnedFd, one: &CStr, other: &CStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(directory, one, directory, other, RenameFlags::EXCHANGE)
}

/// Opens or creates a file and waits for the exclusive lock on it. Closing the file unlocks it.
///
/// After two seconds it calls `waiting`, since the process that holds the lock may be stopped.
///
/// # Errors
///
/// What openat(2) and flock(2) say.
pub fn lock(directory: impl AsFd, name: &CStr, waiting: impl FnOnce()) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    let lock = open(directory, name, flags, Permissions::from_raw_mode(0o600))?;
    let try_lock = || lock_at_once(&lock, FlockOperation::NonBlockingLockExclusive);
    let wait = || {
        for _ in 0..400 {
            match try_lock() {
                Err(Errno::WOULDBLOCK) => drop(rustix::thread::nanosleep(&INTERVAL)),
                result => return result,
            }
        }
        waiting();
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))
    };
    match wait() {
        // The file system does not support locks. Renaming keeps the cache correct, but two starts
        // may do the same work.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(lock),
        Err(errno) => Err(errno),
    }
}

/// Whether the lock on a file, which this process holds, keeps others from it: on some file systems flock(2) succeeds
/// and does nothing.
pub fn excludes(directory: impl AsFd, name: &CStr) -> bool {
    // A lock belongs to an open file: another one of this process is refused as anybody else's is.
    open(directory, name, OFlags::RDWR | OFlags::NOFOLLOW, Permissions::empty()).is_ok_and(|file| {
        lock_at_once(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
    })
}

/// Takes a lock if nobody else holds it.
///
/// # Errors
///
/// What flock(2) says: `WOULDBLOCK` if it is held.
fn lock_at_once(file: &OwnedFd, operation: FlockOperation) -> Result<(), Errno> {
    retry_on_intr(|| flock(file, operation))
}

/// Waits for a lock, but not for long: another user can hold it for ever.
///
/// # Errors
///
/// What flock(2) says: `WOULDBLOCK` if somebody else still holds it.
#[cold]
pub fn lock_for_a_moment(file: &OwnedFd, operation: FlockOperation) -> Result<(), Errno> {
    const ATTEMPTS: u32 = 200;
    for _ in 1..ATTEMPTS {
        match lock_at_once(file, operation) {
            Err(Errno::WOULDBLOCK) => drop(rustix::thread::nanosleep(&INTERVAL)),
            result => return result,
        }
    }
    lock_at_once(file, operation)
}

/// How long to wait before a lock is tried again.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Makes new files have exactly the requested permissions, until it is dropped.
///
/// The caller's umask can be anything, also 0777, and the program inherits it.
#[derive(Debug)]
pub struct ExactPermissions(Permissions);

impl ExactPermissions {
    /// Sets the umask to 0.
    pub fn begin() -> ExactPermissions {
        ExactPermissions(rustix::process::umask(Permissions::empty()))
    }
}

impl Drop for ExactPermissions {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

/// Returns an unpredictable number, for a new name.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // Linux before 3.17 does not have the system call.
        _ => call::random_of_start(),
    }
}
