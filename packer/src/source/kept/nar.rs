//! A kept NAR as a file of the store reads it.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use format::{Digest, Hasher, StorePath};
use zstd_safe::DCtx;

use super::Place;
use super::blocks::{BLOCK_LEN, Shared, decode};
use crate::source::nar::Listing;
use crate::source::node::{Kind, Node};

/// Blocks that stay in memory; neighbours in the bundle are often neighbours in a NAR.
const RECENT: usize = 64;

/// The file that has a kept NAR.
pub(super) enum Content {
    /// One of its own. It is opened for each block: there are more NARs than a process may have open files.
    File(PathBuf),
    /// One of all NARs of this run.
    Shared(Arc<Shared>),
}

/// A kept NAR.
pub(crate) struct Nar {
    content: Content,
    /// Its NAR hash.
    hash: Digest,
    listing: Listing,
    /// Where each block is in the file.
    ranges: Vec<Range<u64>>,
    /// The nodes by directory and name.
    names: HashMap<(u32, Vec<u8>), u32>,
}

impl Nar {
    pub(super) fn new(
        content: Content,
        hash: Digest,
        listing: Listing,
        ranges: Vec<Range<u64>>,
    ) -> Nar {
        let named = (0..)
            .zip(&listing.nodes)
            .filter_map(|(number, node)| Some(((node.parent?, node.name.clone()), number)));
        Nar { content, hash, names: named.collect(), listing, ranges }
    }

    /// The node of the store path itself.
    pub(crate) fn root(&self) -> &Kind {
        &self.listing.nodes[0].kind
    }

    /// SHA-256 of the content, if the store path is a file that is not executable.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn file_digest(&self) -> io::Result<Option<Digest>> {
        let Kind::File { executable: false, len } = *self.root() else { return Ok(None) };
        let (start, mut hasher) = (self.listing.starts[0], Hasher::new());
        let mut at = start;
        while at < start + len {
            let number = usize::try_from(at / BLOCK_LEN as u64).unwrap_or(usize::MAX);
            let block = self.block(number)?;
            let within = usize::try_from(at % BLOCK_LEN as u64).unwrap_or_default();
            let rest = usize::try_from(start + len - at).unwrap_or(usize::MAX);
            let there = block.get(within..).unwrap_or_default();
            let part = &there[..there.len().min(rest)];
            if part.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(part);
            at += part.len() as u64;
        }
        Ok(Some(hasher.finish()))
    }

    /// Finds the node at a path below the store path; it is empty for the store path itself.
    fn find(&self, below: &[u8]) -> io::Result<u32> {
        let mut names = below.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let found = names.try_fold(0, |at, name| self.names.get(&(at, name.to_vec())).copied());
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The nodes in a directory, sorted by name.
    ///
    /// # Errors
    ///
    /// If there is no such directory.
    pub(crate) fn children(&self, below: &[u8]) -> io::Result<Vec<(Vec<u8>, Kind)>> {
        let directory = self.find(below)?;
        let nodes = &self.listing.nodes;
        let end = nodes[directory as usize].end;
        let mut children = Vec::new();
        let mut next = directory + 1;
        while next < end {
            let Node { name, kind, end, .. } = &nodes[next as usize];
            children.push((name.clone(), kind.clone()));
            next = *end;
        }
        Ok(children)
    }

    /// Where the content of a file is in the NAR.
    fn content(&self, below: &[u8]) -> io::Result<(u64, u64)> {
        let number = self.find(below)? as usize;
        match self.listing.nodes[number].kind {
            Kind::File { len, .. } => Ok((self.listing.starts[number], len)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Decodes a block; removes the file if it is damaged, so that the next run fetches it again.
    fn block(&self, number: usize) -> io::Result<Vec<u8>> {
        let range = self.ranges.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
        // A block has at most the bytes that zstd needs for it.
        let mut frame = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
        let mut read = || match &self.content {
            Content::File(path) => {
                File::open(path)?.read_exact_at(&mut frame, range.start)?;
                decode(&mut DCtx::create(), &frame).inspect_err(|_| {
                    // An error may be ignored: the next run finds the damage, too.
                    let _ = fs::remove_file(path);
                })
            }
            Content::Shared(shared) => {
                shared.file().read_exact_at(&mut frame, range.start)?;
                decode(&mut DCtx::create(), &frame)
            }
        };
        read().map_err(|error| {
            let reason = format!("{error}, in packer's cache, where it was whole before");
            io::Error::new(error.kind(), reason)
        })
    }
}

/// The kept NARs of a closure, and the blocks that were read last.
#[derive(Default)]
pub(crate) struct Nars {
    all: HashMap<Vec<u8>, Nar>,
    /// Where they are: what is old there is removed when this is dropped, and not before.
    _place: Option<Place>,
    recent: Mutex<VecDeque<Recent>>,
}

/// A block that was read.
struct Recent {
    hash: Digest,
    number: usize,
    block: Arc<Vec<u8>>,
}

impl Nars {
    /// Takes the NARs of store paths, and the place that they are kept in.
    pub(crate) fn new(nars: Vec<(StorePath, Nar)>, place: Place) -> Nars {
        let all = nars.into_iter().map(|(path, nar)| (path.to_string().into_bytes(), nar));
        Nars { all: all.collect(), _place: Some(place), recent: Mutex::default() }
    }

    /// Finds the NAR that has a path below the store, and the path's rest.
    pub(crate) fn at<'a>(&self, location: &'a [u8]) -> Option<(&Nar, &'a [u8])> {
        let end = location.iter().position(|byte| *byte == b'/').unwrap_or(location.len());
        let (base_name, below) = location.split_at(end);
        Some((self.all.get(base_name)?, below))
    }

    /// Opens a file of a NAR.
    ///
    /// # Errors
    ///
    /// If there is no such file.
    pub(crate) fn open<'a>(&'a self, nar: &'a Nar, below: &[u8]) -> io::Result<KeptFile<'a>> {
        let (start, len) = nar.content(below)?;
        Ok(KeptFile { nars: self, nar, start, len })
    }

    fn block(&self, nar: &Nar, number: usize) -> io::Result<Arc<Vec<u8>>> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |recent: &&Recent| recent.number == number && recent.hash == nar.hash;
        if let Some(found) = recent().iter().find(is_it) {
            return Ok(Arc::clone(&found.block));
        }
        let block = Arc::new(nar.block(number)?);
        let mut recent = recent();
        recent.push_front(Recent { hash: nar.hash, number, block: Arc::clone(&block) });
        recent.truncate(RECENT);
        Ok(block)
    }
}

/// A file of a kept NAR.
#[derive(Clone, Copy)]
pub(crate) struct KeptFile<'a> {
    nars: &'a Nars,
    nar: &'a Nar,
    /// Where it begins in the NAR.
    start: u64,
    pub(crate) len: u64,
}

impl KeptFile<'_> {
    /// Reads some bytes from an offset on; none at the end.
    ///
    /// # Errors
    ///
    /// If the NAR was removed or is damaged.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.len.saturating_sub(offset);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let at = self.start + offset;
        let number = usize::try_from(at / BLOCK_LEN as u64).unwrap_or(usize::MAX);
        let block = self.nars.block(self.nar, number)?;
        let within = usize::try_from(at % BLOCK_LEN as u64).unwrap_or_default();
        let there = block.get(within..).filter(|there| !there.is_empty());
        let there = there.ok_or(io::ErrorKind::UnexpectedEof)?;
        let count = wanted.min(there.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }
}
