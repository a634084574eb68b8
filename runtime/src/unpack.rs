//! Unpacks frames to files, in one pass and in parallel; it checks each digest before it uses the
//! bytes.

mod content;
pub(crate) mod merge;
pub mod node;
pub mod progress;
pub mod rewrite;
pub mod tree;
mod turn;
mod verify;

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use format::{Extent, Frame, Index, Kind};
use rustix::fs::AtFlags;

use crate::error::{Error, Room};
use crate::payload::{FrameReader, Payload, Sections};
use crate::system::call::FileSizeErrors;
use crate::system::file::{ExactPermissions, Permissions};
use crate::system::limit::{self, MemoryLimit};
use crate::system::thread;
use content::{Link, Plan};
use node::{DIRECTORY_PERMISSIONS, TIMES, create_file, file_permissions, set_final};
use progress::Progress;
use tree::{Destination, Tree};
use turn::Turn;
pub use verify::verify;

/// Threads that write files at most: more threads only wait for the file system.
const THREADS: u32 = 4;

/// Bytes of buffers for each thread. If the frames need larger buffers, fewer threads run, but at
/// least one.
const MEMORY: u64 = 24 << 20;

/// Bytes that a start needs beside its buffers, in a control group with little memory.
const SMALL: u64 = 4 << 20;

/// Bytes of a block, the unit in which most file systems allocate room for a file.
const BLOCK: u64 = 4096;

/// Writes store paths.
///
/// They get the permissions and times of a Nix store. Files with the same content become hard links where the file
/// system supports them.
///
/// # Errors
///
/// If a frame differs from what the packer wrote, or a file cannot be created. Files that were
/// already written stay.
pub fn unpack(
    payload: &Payload<'_>,
    sections: &Sections,
    index: &Index<'_>,
    destination: &Destination<'_>,
    progress: &Progress,
) -> Result<(), Error> {
    let tree = Tree::new(&index.nodes, destination);
    let plan = Plan::new(&tree, sections.seek_table.data_frames());
    progress.expect(plan.bytes);

    let _permissions = ExactPermissions::begin();
    let _errors = FileSizeErrors::begin();
    create(&tree, &plan)?;
    write(payload, sections, index, &tree, &plan, progress)?;
    finish(&tree, &plan)
}

/// Returns the room that [`unpack`] needs for these names.
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

/// Creates directories, links, empty files, and the files whose content is in several frames.
fn create(tree: &Tree<'_>, plan: &Plan) -> Result<(), Error> {
    for (number, node) in tree.wanted() {
        match node.kind {
            Kind::Directory => {
                let permissions = Permissions::from_raw_mode(0o755);
                tree.at(number, "create", |at, name| rustix::fs::mkdirat(at, name, permissions))?;
            }
            Kind::Symlink(link) => tree.at(number, "create", |at, name| {
                let mut target: Vec<u8> = link.target.into();
                tree.rewrite(number, 0, &mut target);
                rustix::fs::symlinkat(&*target, at, name)?;
                rustix::fs::utimensat(at, name, &TIMES, AtFlags::SYMLINK_NOFOLLOW)
            })?,
            Kind::File { executable, content: Extent { len: 0, .. }, .. } => {
                tree.at(number, "create", |at, name| {
                    rustix::fs::futimens(
                        create_file(at, name, file_permissions(executable))?,
                        &TIMES,
                    )
                })?;
            }
            Kind::File { .. } => {}
        }
    }
    for &number in &plan.split {
        let len = tree.extent(number).len;
        tree.at(number, "create", |at, name| {
            rustix::fs::ftruncate(create_file(at, name, Permissions::from_raw_mode(0o644))?, len)
        })?;
    }
    Ok(())
}

/// Decodes the frames and writes the files.
fn write(
    payload: &Payload<'_>,
    sections: &Sections,
    index: &Index<'_>,
    tree: &Tree<'_>,
    plan: &Plan,
    progress: &Progress,
) -> Result<(), Error> {
    let frames = sections.seek_table.data_frames();
    let next = AtomicU32::new(0);
    let turn = Turn::new();
    let failed = AtomicBool::new(false);
    thread::parallel(threads(frames, plan.frames.len())?, || {
        let work = || -> Result<(), Error> {
            let mut reader = FrameReader::new(payload, frames)?;
            while !failed.load(Ordering::Relaxed) {
                // The seek table has fewer frames than a u32 can count.
                let own = next.fetch_add(1, Ordering::Relaxed);
                let Some(&number) = plan.frames.get(own as usize) else { break };
                let position = number as usize;
                let frame = &frames[position];
                turn.take(own, || reader.load(number, frame))?;
                let content = reader.decode(number, frame, index.frames[position])?;
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

/// Returns the number of threads: one per processor, within the limits [`THREADS`], [`MEMORY`] and that of the control
/// group.
///
/// # Errors
///
/// If the control group allows less memory than one thread needs.
pub(crate) fn threads(frames: &[Frame], work: usize) -> Result<usize, Error> {
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    let threads = u64::from(processors.min(THREADS));
    let largest = frames.iter().map(|frame| u64::from(frame.len) + u64::from(frame.compressed_len));
    let largest = largest.max().unwrap_or(1).max(1);
    let mut memory = threads * MEMORY;
    if let Some(limit) = limit::control_group() {
        if largest + SMALL > limit {
            return Err(Error::Memory(MemoryLimit::ControlGroup(limit)));
        }
        // The rest is for the index, and for files on their way to the disk.
        memory = memory.min(limit / 3 * 2);
    }
    Ok(usize::try_from(threads.min(memory / largest)).unwrap_or(1).min(work).max(1))
}

/// Creates the links between files with the same content, and then sets the final permissions and
/// times.
fn finish(tree: &Tree<'_>, plan: &Plan) -> Result<(), Error> {
    for &number in &plan.split {
        let permissions = file_permissions(tree.is_executable(number));
        tree.at(number, "change", |at, name| set_final(at, name, permissions))?;
    }
    for Link { original, copy } in &plan.links {
        content::link(tree, *original, *copy)?;
    }
    for (number, node) in tree.wanted() {
        if matches!(node.kind, Kind::Directory) {
            tree.at(number, "change", |at, name| set_final(at, name, DIRECTORY_PERMISSIONS))?;
        }
    }
    Ok(())
}
