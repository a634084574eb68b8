//! Opening, reading and writing files, by directory and name.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
pub use rustix::fs::Mode as Permissions;
use rustix::fs::{FlockOperation, OFlags, RenameFlags, Timespec, flock};
use rustix::io::{Errno, fcntl_dupfd_cloexec, pread, pwrite, retry_on_intr};

/// What a name in our own directories is opened with: never through a link.
pub const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// Opens a file that exec closes.
///
/// It never gets a number below 3: where the caller closed one of the standard descriptors, a message
/// must not go into a file.
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

/// Opens a directory below another, without following a link at its end.
///
/// # Errors
///
/// What openat(2) says.
pub fn open_directory(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    open(directory, name, DIRECTORY, Permissions::empty())
}

/// Creates a directory unless it is there, and opens it.
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

/// Reads until `buffer` is full; `false` if the file ends before that.
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
/// What pwrite(2) says; `IO` if it writes nothing without saying why.
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

/// Reads a small file whole, up to `limit` bytes.
///
/// # Errors
///
/// What openat(2) and pread(2) say; `FBIG` if it has more bytes.
// Its buffer would be in the frame of whoever calls it, which a start touches page by page.
#[inline(never)]
pub fn read(directory: impl AsFd, name: &CStr, limit: usize) -> Result<Vec<u8>, Errno> {
    let file = open(directory, name, OFlags::RDONLY | OFlags::NOFOLLOW, Permissions::empty())?;
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let len = retry_on_intr(|| rustix::io::read(&file, &mut piece))?;
        if len == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&piece[..len]);
        if bytes.len() > limit {
            return Err(Errno::FBIG);
        }
    }
}

/// Lists a directory: calls `visit` with each name and kind but `.` and `..`.
///
/// # Errors
///
/// What getdents64(2) says, or `visit`.
// As above.
#[inline(never)]
pub fn list<E: From<Errno>>(
    directory: impl AsFd,
    mut visit: impl FnMut(&CStr, rustix::fs::FileType) -> Result<(), E>,
) -> Result<(), E> {
    rustix::fs::seek(&directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [const { core::mem::MaybeUninit::uninit() }; 8192];
    let mut entries = rustix::fs::RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            visit(entry.file_name(), entry.file_type())?;
        }
    }
    Ok(())
}

/// Whether a directory, opened just now, has nothing in it.
///
/// # Errors
///
/// What getdents64(2) says.
pub fn is_empty(directory: impl AsFd) -> Result<bool, Errno> {
    // Room for `.`, `..` and one longest name: the rest of a large directory is not asked for.
    let mut buffer = [const { core::mem::MaybeUninit::uninit() }; 512];
    let mut entries = rustix::fs::RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lists the names in a directory, in no order.
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

/// Renames to a directory where nothing has the name.
///
/// # Errors
///
/// What renameat2(2) says; `EXIST` or `NOTEMPTY` if something has it.
pub fn rename_new(from: &OwnedFd, name: &CStr, to: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        // A file system that cannot: a directory replaces only an empty one even so.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(from, name, to, name),
        result => result,
    }
}

/// Opens or creates a file and waits for the exclusive lock on it; closing it unlocks.
///
/// If that takes more than two seconds, it calls `waiting`: the process that holds the lock may be stopped.
///
/// # Errors
///
/// What openat(2) and flock(2) say.
pub fn lock(directory: impl AsFd, name: &CStr, waiting: impl FnOnce()) -> Result<OwnedFd, Errno> {
    const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    let lock = open(directory, name, flags, Permissions::from_raw_mode(0o600))?;
    let try_lock = || retry_on_intr(|| flock(&lock, FlockOperation::NonBlockingLockExclusive));
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
        // A file system without locks: renaming keeps it correct, work may be done twice.
        Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(lock),
        Err(errno) => Err(errno),
    }
}

/// Creates files with exactly the permissions that are asked for, until it is dropped.
///
/// The caller's mask can be anything, 0777 included, and is the program's.
#[derive(Debug)]
pub struct ExactPermissions(Permissions);

impl ExactPermissions {
    /// Takes the mask away.
    pub fn begin() -> ExactPermissions {
        ExactPermissions(rustix::process::umask(Permissions::empty()))
    }
}

impl Drop for ExactPermissions {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

/// A number that nobody can foresee, for a name beside others.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Where the call is missing (Linux before 3.17), names may meet; creating the second one fails.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
