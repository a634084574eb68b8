//! Plans which bytes of which frame go to which files, and writes them.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use format::{Extent, Frame, Kind, is_zero};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::node::{NodeNumber, TIMES, create_file, file_permissions};
use super::tree::Tree;
use crate::error::Error;
use crate::system::file::{self, Permissions};

/// Zeros of this length and alignment become a hole in the file. The tar stream has a sparse file's
/// holes as zeros.
const HOLE_LEN: usize = 64 << 10;

/// The plan for unpacking.
pub(super) struct Plan {
    /// The frames with content of wanted files.
    pub(super) frames: Vec<u32>,
    /// Files inside one frame, in the order of the tar stream.
    whole: Vec<NodeNumber>,
    /// Files with content in several frames. Each is created first; then several threads may write
    /// to it.
    pub(super) split: Vec<NodeNumber>,
    /// Files with the same content as another file.
    pub(super) links: Vec<Link>,
    /// Bytes of content in the frames.
    pub(super) bytes: u64,
}

/// Two files with the same content.
pub(super) struct Link {
    /// The file that is written.
    pub(super) original: NodeNumber,
    /// The file that becomes a link to it.
    pub(super) copy: NodeNumber,
}

impl Plan {
    pub(super) fn new(tree: &Tree<'_>, frames: &[Frame]) -> Plan {
        // Relocation changes the frame's bytes in memory. So of files with the same content, those
        // that are no compiled Python modules are written first.
        let identity = |number: NodeNumber| {
            (tree.extent(number), tree.is_executable(number), tree.is_checked_pyc(number))
        };
        // A heap, because `sort` would add 8 KB of code to every bundle.
        let files: BinaryHeap<_> = tree
            .wanted()
            .filter(|(_, node)| matches!(node.kind, Kind::File { content, .. } if content.len > 0))
            .map(|(number, _)| (identity(number), number))
            .collect();

        let mut plan = Plan {
            frames: Vec::new(),
            whole: Vec::new(),
            split: Vec::new(),
            links: Vec::new(),
            bytes: 0,
        };
        let mut original = None;
        // The last frame in the plan.
        let mut planned: Option<u32> = None;
        for (identity, file) in files.into_sorted_vec() {
            if let Some((_, original)) = original.filter(|(original, _)| *original == identity) {
                plan.links.push(Link { original, copy: file });
                continue;
            }
            original = Some((identity, file));
            let extent = tree.extent(file);
            let first = frames.partition_point(|frame| frame.end() <= extent.start);
            let last = frames.partition_point(|frame| frame.end() < extent.end());
            if first == last { &mut plan.whole } else { &mut plan.split }.push(file);
            for (number, frame) in (0..).zip(frames).take(last + 1).skip(first) {
                if planned.is_none_or(|planned| planned < number) {
                    plan.frames.push(number);
                    plan.bytes = plan.bytes.saturating_add(frame.len.into());
                    planned = Some(number);
                }
            }
        }
        plan
    }

    /// Writes the wanted files' part of a frame, whose bytes are `content`.
    pub(super) fn write_frame(
        &self,
        tree: &Tree<'_>,
        frame: &Frame,
        content: &mut [u8],
    ) -> Result<(), Error> {
        let from = self.whole.partition_point(|file| tree.extent(*file).start < frame.start);
        for &file in &self.whole[from..] {
            let extent = tree.extent(file);
            if extent.start >= frame.end() {
                break;
            }
            let (bytes, _) = overlap(frame, extent, content);
            tree.rewrite(file, 0, bytes);
            let permissions = file_permissions(tree.is_executable(file));
            tree.at(file, "write", |at, name| {
                let file = create_file(at, name, permissions)?;
                if bytes.len() > HOLE_LEN {
                    rustix::fs::ftruncate(&file, extent.len)?;
                }
                write_sparse(file.as_fd(), bytes, 0)?;
                rustix::fs::futimens(&file, &TIMES)
            })?;
        }
        for &file in &self.split {
            let extent = tree.extent(file);
            let (bytes, offset) = overlap(frame, extent, content);
            if bytes.is_empty() {
                continue;
            }
            tree.rewrite(file, offset, bytes);
            tree.at(file, "write", |at, name| {
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW;
                write_sparse(
                    file::open(at, name, flags, Permissions::empty())?.as_fd(),
                    bytes,
                    offset,
                )
            })?;
        }
        Ok(())
    }
}

/// Returns the bytes of the frame that belong to `extent`, and their offset in it.
fn overlap<'a>(frame: &Frame, extent: Extent, content: &'a mut [u8]) -> (&'a mut [u8], u64) {
    let start = extent.start.max(frame.start);
    let end = extent.end().min(frame.end());
    // Both positions are inside the frame, whose content fits in memory.
    let position = |at: u64| usize::try_from(at - frame.start).unwrap_or(usize::MAX);
    if start < end {
        (&mut content[position(start)..position(end)], start - extent.start)
    } else {
        (&mut [], 0)
    }
}

/// Writes `bytes` and leaves holes for long runs of zeros. A file longer than [`HOLE_LEN`] must
/// have its full length already.
fn write_sparse(file: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    let mut written = 0;
    let mut at = 0;
    for block in bytes.chunks(HOLE_LEN) {
        if block.len() == HOLE_LEN && is_zero(block) {
            file::write_at(file, &bytes[written..at], offset + written as u64)?;
            written = at + block.len();
        }
        at += block.len();
    }
    file::write_at(file, &bytes[written..], offset + written as u64)
}

/// Makes `copy` a hard link to `original`, or else a file with the same content.
pub(super) fn link(tree: &Tree<'_>, original: NodeNumber, copy: NodeNumber) -> Result<(), Error> {
    tree.at(original, "link", |from, original_name| {
        tree.locate(copy).and_then(|(directory, name)| {
            let to = directory.as_ref().map_or(tree.directory(), |directory| directory.as_fd());
            match rustix::fs::linkat(from, original_name, to, &*name, AtFlags::empty()) {
                Ok(()) => Ok(()),
                // There are too many links, or the file system does not support them.
                Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV) => {
                    let original =
                        file::open(from, original_name, OFlags::RDONLY, Permissions::empty())?;
                    let copied =
                        create_file(to, &name, file_permissions(tree.is_executable(copy)))?;
                    copy_content(original.as_fd(), copied.as_fd())?;
                    rustix::fs::futimens(&copied, &TIMES)
                }
                Err(errno) => Err(errno),
            }
        })
    })
}

fn copy_content(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = alloc::vec![0; HOLE_LEN];
    let mut offset = 0;
    loop {
        let len = retry_on_intr(|| rustix::io::pread(from, &mut *buffer, offset))?;
        if len == 0 {
            return Ok(());
        }
        file::write_at(to, &buffer[..len], offset)?;
        offset += len as u64;
    }
}
