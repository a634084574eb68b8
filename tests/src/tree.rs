//! What a file or directory is, as lines to compare.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat};

/// Lines by the path below the top, of which every byte that isn't printable ASCII is escaped.
pub type Lines = BTreeMap<String, String>;

/// Describes a file, or a directory with everything in it: kind, size, whether it is executable, a digest
/// of the content, a link's target. The top itself has an empty path, and as a directory no line.
///
/// Works below open directories, since paths may be longer than the kernel takes.
///
/// # Errors
///
/// Those of the system calls.
pub fn list(top: &Path) -> io::Result<Lines> {
    let (parent, name) = (top.parent().expect("not /"), top.file_name().expect("not /"));
    let parent = Dir::open(parent, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let name = CString::new(name.as_bytes())?;
    let mut lines = Lines::new();
    describe(&parent, &name, "", &mut lines)?;
    if lines.get("").is_some_and(|line| line == "directory") {
        lines.remove("");
    }
    Ok(lines)
}

fn describe(parent: &Dir, name: &CStr, path: &str, lines: &mut Lines) -> io::Result<()> {
    let meta = fstatat(parent.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let line = match SFlag::from_bits_truncate(meta.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => {
            let mut directory = Dir::from_fd(open(parent, name, OFlag::O_DIRECTORY)?)?;
            let entries = directory.iter().collect::<nix::Result<Vec<_>>>()?;
            for entry in entries {
                let name = entry.file_name();
                if !matches!(name.to_bytes(), b"." | b"..") {
                    let path = format!("{path}/{}", name.to_bytes().escape_ascii());
                    describe(&directory, name, &path, lines)?;
                }
            }
            "directory".to_owned()
        }
        SFlag::S_IFLNK => {
            let target: OsString = readlinkat(parent.as_fd(), name)?;
            format!("link to {}", target.as_bytes().escape_ascii())
        }
        SFlag::S_IFREG => {
            let file = File::from(open(parent, name, OFlag::empty())?);
            let kind = if file.metadata()?.mode() & 0o111 == 0 { "file" } else { "program" };
            format!("{kind} of {} bytes, {:016x}", meta.st_size, digest(file)?)
        }
        other => format!("{other:?}"),
    };
    lines.insert(path.to_owned(), line);
    Ok(())
}

fn open(parent: &Dir, name: &CStr, flags: OFlag) -> nix::Result<OwnedFd> {
    openat(parent.as_fd(), name, flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty())
}

/// FNV-1a: enough to tell a wrong content from the right one.
fn digest(mut file: File) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest);
        }
        for byte in &buffer[..count] {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
