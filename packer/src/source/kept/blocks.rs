//! The blocks of a kept NAR: zstd frames, one after the other.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use zstd_safe::{CCtx, CParameter, DCtx};

/// Bytes of a block: small enough to be read for one file of it.
pub(super) const BLOCK_LEN: usize = 256 << 10;

/// How a block is compressed: fast, since it is read soon.
const LEVEL: i32 = 1;

/// A file that several NARs are written to at once.
pub(crate) struct Shared {
    file: File,
    end: Mutex<u64>,
}

impl Shared {
    pub(super) fn new(file: File) -> Shared {
        Shared { file, end: Mutex::new(0) }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes a block behind all others; returns where it begins.
    fn put(&self, block: &[u8]) -> io::Result<u64> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *end;
        *end += block.len() as u64;
        // The place is taken; others need not wait.
        drop(end);
        self.file.write_all_at(block, start)?;
        Ok(start)
    }
}

/// Where blocks are written.
pub(super) enum Target<'a> {
    File { file: &'a mut File, end: u64 },
    Shared(&'a Shared),
}

impl Target<'_> {
    fn put(&mut self, block: &[u8]) -> io::Result<u64> {
        match self {
            Target::File { file, end } => {
                file.write_all(block)?;
                let start = *end;
                *end += block.len() as u64;
                Ok(start)
            }
            Target::Shared(shared) => shared.put(block),
        }
    }
}

/// Writes blocks.
pub(super) struct Blocks<'a> {
    target: Target<'a>,
    block: Vec<u8>,
    frame: Vec<u8>,
    encoder: CCtx<'static>,
    /// Where each block is in the file.
    pub(super) ranges: Vec<Range<u64>>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(target: Target<'a>) -> Blocks<'a> {
        Blocks {
            target,
            block: Vec::with_capacity(BLOCK_LEN),
            frame: Vec::new(),
            encoder: CCtx::create(),
            ranges: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let part = bytes.len().min(BLOCK_LEN - self.block.len());
            self.block.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.block.len() == BLOCK_LEN {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let parameters = [CParameter::CompressionLevel(LEVEL), CParameter::ChecksumFlag(true)];
        for parameter in parameters {
            self.encoder.set_parameter(parameter).map_err(zstd)?;
        }
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(self.block.len()));
        self.encoder.compress2(&mut self.frame, &self.block).map_err(zstd)?;
        let start = self.target.put(&self.frame)?;
        self.ranges.push(start..start + self.frame.len() as u64);
        self.block.clear();
        Ok(())
    }
}

/// Reads all blocks of a kept NAR, one after the other.
pub(super) struct Frames {
    file: File,
    decoder: DCtx<'static>,
    /// What was read from the file and not decoded yet.
    stored: Vec<u8>,
    block: Vec<u8>,
    /// Bytes of the block that were given away.
    given: usize,
    /// Where each block is in the file.
    pub(super) ranges: Vec<Range<u64>>,
}

impl Frames {
    pub(super) fn new(file: File) -> Frames {
        Frames {
            file,
            decoder: DCtx::create(),
            stored: Vec::new(),
            block: Vec::new(),
            given: 0,
            ranges: Vec::new(),
        }
    }

    /// Decodes the next block; leaves it empty at the end.
    fn next(&mut self) -> io::Result<()> {
        let most = zstd_safe::compress_bound(BLOCK_LEN);
        let missing = most.saturating_sub(self.stored.len()) as u64;
        (&mut self.file).take(missing).read_to_end(&mut self.stored)?;
        let before = std::mem::take(&mut self.block).len();
        self.given = 0;
        if self.stored.is_empty() {
            return Ok(());
        }
        // Reading from any place relies on it.
        if !self.ranges.is_empty() && before != BLOCK_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a block that is too short"));
        }
        let len = zstd_safe::find_frame_compressed_size(&self.stored).map_err(zstd)?;
        let frame = self.stored.get(..len).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.block = decode(&mut self.decoder, frame)?;
        self.stored.drain(..len);
        let start = self.ranges.last().map_or(0, |range| range.end);
        self.ranges.push(start..start + len as u64);
        Ok(())
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() {
            self.next()?;
        }
        let count = (&self.block[self.given..]).read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

pub(super) fn decode(decoder: &mut DCtx<'_>, frame: &[u8]) -> io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK_LEN);
    decoder.decompress(&mut block, frame).map_err(zstd)?;
    Ok(block)
}

fn zstd(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, zstd_safe::get_error_name(code))
}
