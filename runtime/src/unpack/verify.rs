//! Checks that unpacked files are those that were packed.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use format::nar::NarHasher;
use format::{Index, Kind, Node, PackedPath, Symlink};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::node::{DIRECTORY_PERMISSIONS, NodeNumber, TIMES, file_permissions};
use super::tree::{Destination, Tree};
use crate::error::Error;
use crate::payload::Sections;
use crate::system::file::{self, Permissions};
use crate::system::{call, thread};

/// Bytes that a thread reads in one call.
const BUFFER_LEN: usize = 256 << 10;

/// Checks store paths: the permissions and times of all files, and the NAR hash.
///
/// In relocated files, each reference must have its replacement. The result has one value for each
/// of the manifest's store paths; those that are skipped (`None` in the names) count as whole.
///
/// # Errors
///
/// If a file cannot be read for a reason that does not lie in the file, such as too many open
/// files.
pub fn verify(
    sections: &Sections,
    index: &Index<'_>,
    destination: &Destination<'_>,
) -> Result<Vec<bool>, Error> {
    let tree = Tree::new(&index.nodes, destination);
    let (ranges, children) = (ranges(index), children(index));
    let whole: Vec<AtomicBool> = ranges.iter().map(|_| AtomicBool::new(true)).collect();
    let next = AtomicUsize::new(0);
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    thread::parallel(processors as usize, || {
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = ranges.get(number) else { return Ok::<(), Error>(()) };
            if destination.names.get(number).is_some_and(Option::is_some) {
                let packed = &sections.manifest.paths[number];
                let is_whole =
                    is_whole(&tree, &index.nodes, &children, range.clone(), packed, &mut buffer)?;
                whole[number].store(is_whole, Ordering::Relaxed);
            }
        }
    })?;
    Ok(whole.into_iter().map(AtomicBool::into_inner).collect())
}

/// Returns the range of nodes of each store path.
fn ranges(index: &Index<'_>) -> Vec<Range<NodeNumber>> {
    let mut ranges: Vec<Range<NodeNumber>> = Vec::new();
    for (number, node) in (0..).zip(&index.nodes) {
        match ranges.last_mut() {
            Some(range) if node.parent.is_some() => range.end = number + 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

/// Returns the number of names in each directory.
fn children(index: &Index<'_>) -> Vec<u32> {
    let mut children: Vec<u32> = index.nodes.iter().map(|_| 0).collect();
    for parent in index.nodes.iter().filter_map(|node| node.parent) {
        // Decoding ensures that a parent has a smaller number than its child.
        children[parent as usize] += 1;
    }
    children
}

/// Checks one store path; `children` has the number of names for all nodes.
fn is_whole(
    tree: &Tree<'_>,
    nodes: &[Node<'_>],
    children: &[u32],
    range: Range<NodeNumber>,
    packed: &PackedPath,
    buffer: &mut [u8],
) -> Result<bool, Error> {
    let mut nar = NarHasher::begin();
    for number in range {
        let node = &nodes[number as usize];
        nar.node(number, node.parent, node.name, node.kind.into());
        let matches = tree.at(number, "read", |at, name| {
            let matches = match node.kind {
                Kind::Directory => is_directory(at, name, children[number as usize]),
                Kind::File { executable, content, .. } => {
                    let expected = (file_permissions(executable), content.len);
                    is_file(at, name, expected, buffer, |offset, bytes| {
                        let is_ours = tree.restore(number, offset, bytes);
                        nar.bytes(bytes);
                        is_ours
                    })
                }
                Kind::Symlink(Symlink { target, .. }) => {
                    let mut expected: Vec<u8> = target.into();
                    tree.rewrite(number, 0, &mut expected);
                    rustix::fs::readlinkat(at, name, Vec::new())
                        .map(|found| found.to_bytes() == expected)
                }
            };
            match matches {
                // The file was removed or replaced, or the disk cannot read it.
                Err(
                    Errno::NOENT
                    | Errno::NOTDIR
                    | Errno::LOOP
                    | Errno::INVAL
                    | Errno::ACCESS
                    | Errno::NXIO
                    | Errno::IO,
                ) => Ok(false),
                matches => matches,
            }
        })?;
        if !matches {
            return Ok(false);
        }
        if let Kind::File { .. } = node.kind {
            nar.end_file();
        }
    }
    Ok(nar.finish() == (packed.nar_hash, packed.nar_len))
}

fn is_directory(at: BorrowedFd<'_>, name: &CStr, children: u32) -> Result<bool, Errno> {
    let directory = file::open_directory(at, name)?;
    let mut found: u32 = 0;
    file::list(&directory, |_, _| {
        found = found.saturating_add(1);
        Ok::<(), Errno>(())
    })?;
    let stat = rustix::fs::fstat(&directory)?;
    Ok(found == children && is_final(&stat, DIRECTORY_PERMISSIONS))
}

/// Checks a file's permissions and length, and calls `take` with its content piece by piece, until
/// a piece is wrong.
fn is_file(
    at: BorrowedFd<'_>,
    name: &CStr,
    (permissions, len): (Permissions, u64),
    buffer: &mut [u8],
    mut take: impl FnMut(u64, &mut [u8]) -> bool,
) -> Result<bool, Errno> {
    // NONBLOCK: another file in its place can be a pipe, and opening it must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = file::open(at, name, flags, Permissions::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let is_regular = FileType::from_raw_mode(stat.st_mode).is_file();
    if !is_regular || !is_final(&stat, permissions) || u64::try_from(stat.st_size) != Ok(len) {
        return Ok(false);
    }
    let mut offset = 0;
    loop {
        let read = retry_on_intr(|| rustix::io::pread(&file, &mut *buffer, offset))?;
        let (bytes, _) = buffer.split_at_mut(read);
        offset += bytes.len() as u64;
        match bytes.len() {
            0 => return Ok(offset == len),
            read if !take(offset - read as u64, bytes) => return Ok(false),
            _ => {}
        }
    }
}

/// Whether a file has the permissions and time of a Nix store, and this user owns it.
fn is_final(stat: &Stat, permissions: Permissions) -> bool {
    stat.st_mode & 0o7777 == permissions.as_raw_mode()
        && stat.st_mtime == TIMES.last_modification.tv_sec
        && stat.st_uid == call::user()
}
