//! Frames → files: in one pass, on all processors, each digest checked before a byte of it is used.

mod content;
mod tree;
mod verify;

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use format::{Extent, Frame, Index, Kind};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::error::{Error, Room};
use crate::file::ExactModes;
use crate::payload::{Contents, FrameReader, Payload};
use crate::progress::Progress;
use crate::relocation::Relocation;
use crate::sys::FileSizeErrors;
use crate::{file, sys};
use content::Link;
use tree::Tree;
pub use verify::verify;

/// Threads that write files, at most: more would only wait for the file system.
const THREADS: u32 = 4;

/// Bytes of memory for the buffers of each thread; frames that need more have fewer threads, one at least.
const MEMORY: u64 = 24 << 20;

/// Bytes of the unit in which most file systems give room to files.
const BLOCK: u64 = 4096;

/// The modes of a Nix store.
pub const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o555);
const EXECUTABLE_MODE: Mode = Mode::from_raw_mode(0o555);
const FILE_MODE: Mode = Mode::from_raw_mode(0o444);

/// The times of a Nix store: 1 second after the epoch. Python takes a .pyc only if its source has the
/// time it was compiled at.
const TIMES: Timestamps = {
    let time = Timespec { tv_sec: 1, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
};

/// Where store paths are written to, and how.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The directory they are created in.
    pub directory: BorrowedFd<'a>,
    /// The name of each of the manifest's store paths; those without are left out.
    pub names: &'a [Option<CString>],
    /// What references are rewritten to, if they are.
    pub relocation: Option<&'a Relocation>,
}

/// Writes store paths.
///
/// Modes and times are those of a Nix store, with the exception of the store paths' own: see [`seal`].
/// Files with the same content become hard links where the file system has them.
///
/// # Errors
///
/// If a frame is not what the packer wrote, or a file cannot be created. What was written until then
/// stays.
pub fn unpack(
    payload: &Payload<'_>,
    contents: &Contents,
    index: &Index<'_>,
    destination: &Destination<'_>,
    progress: &Progress,
) -> Result<(), Error> {
    let tree = Tree::new(&index.nodes, destination);
    let plan = content::Plan::new(&tree, contents.seek_table.data_frames());
    progress.expect(plan.bytes);

    let _modes = ExactModes::begin();
    let _errors = FileSizeErrors::begin();
    create(&tree, &plan)?;
    write(payload, contents, index, &tree, &plan, progress)?;
    finish(&tree, &plan)
}

/// Writes all store paths of a bundle, as they are and where they stay.
///
/// # Errors
///
/// As [`unpack`].
pub fn whole(payload: &Payload<'_>, contents: &Contents, store: &OwnedFd) -> Result<(), Error> {
    let names = contents.names();
    let destination = Destination { directory: store.as_fd(), names: &names, relocation: None };
    unpack(payload, contents, &contents.index()?, &destination, &Progress::start())?;
    for name in names.iter().flatten() {
        seal(store, name).map_err(Error::file("change", &**name))?;
    }
    Ok(())
}

/// What [`unpack`] writes for these names: what there must be room for.
pub fn room(index: &Index<'_>, names: &[Option<CString>]) -> Room {
    let mut path = names.iter();
    let mut wanted = false;
    let mut room = Room::default();
    for node in &index.nodes {
        if node.parent.is_none() {
            wanted = path.next().is_some_and(Option::is_some);
        }
        if wanted {
            let bytes = match node.kind {
                Kind::File { content, .. } => content.len.div_ceil(BLOCK).saturating_mul(BLOCK),
                Kind::Directory | Kind::Symlink(_) => BLOCK,
            };
            room.bytes = room.bytes.saturating_add(bytes);
            room.files += 1;
        }
    }
    room
}

/// Gives a store path's own directory the mode and the time of a Nix store.
///
/// Until then its owner can rename it into another directory.
///
/// # Errors
///
/// What fchmodat(2) and utimensat(2) say.
pub fn seal(directory: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let directory = directory.as_fd();
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        set_final(directory, name, DIRECTORY_MODE)?;
    }
    Ok(())
}

/// Gives a directory, or a file that was written from several sides, its mode and time.
fn set_final(at: BorrowedFd<'_>, name: &CStr, mode: Mode) -> Result<(), Errno> {
    rustix::fs::chmodat(at, name, mode, AtFlags::empty())?;
    rustix::fs::utimensat(at, name, &TIMES, AtFlags::empty())
}

/// Creates what has no content in a frame of its own: directories, links, empty files, and the files
/// that several threads will write to.
fn create(tree: &Tree<'_>, plan: &content::Plan) -> Result<(), Error> {
    for (number, node) in tree.wanted() {
        match node.kind {
            Kind::Directory => {
                let mode = Mode::from_raw_mode(0o755);
                tree.at(number, "create", |at, name| rustix::fs::mkdirat(at, name, mode))?;
            }
            Kind::Symlink(link) => tree.at(number, "create", |at, name| {
                let mut target: Vec<u8> = link.target.into();
                tree.rewrite(number, 0, &mut target);
                rustix::fs::symlinkat(&*target, at, name)?;
                rustix::fs::utimensat(at, name, &TIMES, AtFlags::SYMLINK_NOFOLLOW)
            })?,
            Kind::File { executable, content: Extent { len: 0, .. }, .. } => {
                tree.at(number, "create", |at, name| {
                    rustix::fs::futimens(create_file(at, name, file_mode(executable))?, &TIMES)
                })?;
            }
            Kind::File { .. } => {}
        }
    }
    for &number in &plan.split {
        let len = tree.extent(number).len;
        tree.at(number, "create", |at, name| {
            rustix::fs::ftruncate(create_file(at, name, Mode::from_raw_mode(0o644))?, len)
        })?;
    }
    Ok(())
}

/// Decodes the frames and writes their files.
fn write(
    payload: &Payload<'_>,
    contents: &Contents,
    index: &Index<'_>,
    tree: &Tree<'_>,
    plan: &content::Plan,
    progress: &Progress,
) -> Result<(), Error> {
    let frames = contents.seek_table.data_frames();
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    sys::parallel(threads(frames, plan.frames.len()), || {
        let work = || -> Result<(), Error> {
            let mut reader = FrameReader::new(payload, frames)?;
            while !failed.load(Ordering::Relaxed) {
                let Some(&number) = plan.frames.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                // The seek table has fewer frames than a u32 can count.
                let position = number as usize;
                let frame = &frames[position];
                let content = reader.read(number, frame, index.frames[position])?;
                plan.write_frame(tree, frame, content)?;
                progress.advance(frame.len.into());
            }
            Ok(())
        };
        let result = work();
        if result.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        result
    })?;
    progress.finish();
    Ok(())
}

/// One thread a processor, if [`THREADS`] and [`MEMORY`] allow it.
pub(crate) fn threads(frames: &[Frame], work: usize) -> usize {
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    let threads = u64::from(processors.min(THREADS));
    let largest = frames.iter().map(|frame| u64::from(frame.len) + u64::from(frame.compressed_len));
    let fit = threads * MEMORY / largest.max().unwrap_or(1).max(1);
    usize::try_from(threads.min(fit)).unwrap_or(1).min(work).max(1)
}

/// Makes the links between files with the same content, and then the modes and times final.
fn finish(tree: &Tree<'_>, plan: &content::Plan) -> Result<(), Error> {
    for &number in &plan.split {
        let mode = file_mode(tree.is_executable(number));
        tree.at(number, "change", |at, name| set_final(at, name, mode))?;
    }
    for Link { original, copy } in &plan.links {
        content::link(tree, *original, *copy)?;
    }
    for (number, node) in tree.wanted() {
        if matches!(node.kind, Kind::Directory) && node.parent.is_some() {
            tree.at(number, "change", |at, name| set_final(at, name, DIRECTORY_MODE))?;
        }
    }
    Ok(())
}

fn file_mode(executable: bool) -> Mode {
    if executable { EXECUTABLE_MODE } else { FILE_MODE }
}

fn create_file(at: BorrowedFd<'_>, name: &CStr, mode: Mode) -> Result<OwnedFd, Errno> {
    file::open(at, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)
}

/// The node numbers of an index fit into a u32: `limits::NODES` is below 2³².
type NodeNumber = u32;

/// The nodes that a frame's bytes go to.
type NodeNumbers = Vec<NodeNumber>;
