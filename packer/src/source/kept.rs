//! NARs that packer has fetched: compressed, and read from any place.
//!
//! A kept NAR is a sequence of zstd frames of 256 KiB each, so stock tools read it, too:
//! `zstd -dc FILE | nix-store --restore DIR`. Its name is the NAR hash, which is checked when the file is opened.

mod blocks;
mod nar;

use std::env;
use std::fs::{self, File, FileTimes};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use format::{Digest, Hasher};

use super::nar::Listing;
use crate::unfinished::Unfinished;
use crate::user_cache;
use blocks::{Blocks, Frames, Shared, Target};
use nar::Content;

pub(crate) use nar::{KeptFile, Nar, Nars};

/// Bytes of all kept NARs at most, once a build has ended.
const LIMIT: u64 = 8 << 30;

/// Where NARs are kept.
pub(crate) enum Place {
    /// The user's directory: the next run finds them.
    User(PathBuf),
    /// One file without a name: nothing is left of it, whatever ends this run.
    Run(Arc<Shared>),
}

impl Place {
    /// Opens the user's directory; makes a place for this run if there is none and none can be made.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn open() -> io::Result<Place> {
        match user_cache::open("nars") {
            Ok(Some(dir)) => Ok(Place::User(dir)),
            // It may be on a disk that is read-only.
            Ok(None) | Err(_) => Place::for_run(),
        }
    }

    /// Makes a place for this run alone.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn for_run() -> io::Result<Place> {
        Ok(Place::Run(Arc::new(Shared::new(tempfile::tempfile()?))))
    }

    /// The directory, for messages.
    pub(crate) fn dir(&self) -> PathBuf {
        match self {
            Place::User(dir) => dir.clone(),
            Place::Run(_) => env::temp_dir(),
        }
    }

    /// Finds a NAR that was kept before; `None` if there is none, or it is damaged.
    pub(crate) fn find(&self, hash: &Digest, len: u64) -> Option<Nar> {
        let Place::User(dir) = self else { return None };
        let path = file(dir, hash);
        let file = File::open(&path).ok()?;
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        let mut frames = Frames::new(file);
        let mut watch = Watch { input: &mut frames, hasher: Hasher::new() };
        let listing = whole(&mut watch, len).ok();
        let is_right = watch.hasher.finish() == *hash;
        match listing.filter(|_| is_right) {
            Some(listing) => Some(Nar::new(Content::File(path), *hash, listing, frames.ranges)),
            None => {
                // An error may be ignored: it is written again.
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Reads a NAR and keeps it. `hash` and `len` are what it must have.
    ///
    /// # Errors
    ///
    /// What `input` fails with; [`io::ErrorKind::InvalidData`] if it is another NAR; or a [`Full`] error inside if it
    /// cannot be written.
    pub(crate) fn keep(&self, input: impl Read, hash: &Digest, len: u64) -> io::Result<Nar> {
        match self {
            Place::User(dir) => {
                let mut unfinished = Unfinished::create(dir, 0o600).map_err(Full::error)?;
                let target = Target::File { file: &mut unfinished.file, end: 0 };
                let (listing, ranges) = copy(input, target, hash, len)?;
                let path = file(dir, hash);
                let name = unfinished.close().map_err(Full::error)?;
                name.persist(&path).map_err(|error| Full::error(error.error))?;
                Ok(Nar::new(Content::File(path), *hash, listing, ranges))
            }
            Place::Run(shared) => {
                let (listing, ranges) = copy(input, Target::Shared(shared), hash, len)?;
                Ok(Nar::new(Content::Shared(Arc::clone(shared)), *hash, listing, ranges))
            }
        }
    }
}

/// The name of a kept NAR.
fn file(dir: &Path, hash: &Digest) -> PathBuf {
    dir.join(format!("{hash}.nar.zst"))
}

/// Reads a NAR and writes it; returns what is in it, and where its blocks are.
fn copy(
    input: impl Read,
    target: Target<'_>,
    hash: &Digest,
    len: u64,
) -> io::Result<(Listing, Vec<Range<u64>>)> {
    let mut tee = Tee { input, hasher: Hasher::new(), blocks: Blocks::new(target) };
    let listing = whole(&mut tee, len)?;
    tee.blocks.end().map_err(Full::error)?;
    if tee.hasher.finish() != *hash {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a NAR with another hash"));
    }
    Ok((listing, tee.blocks.ranges))
}

impl Drop for Place {
    /// Removes NARs that were not used for long, and the least recently used ones beyond [`LIMIT`].
    fn drop(&mut self) {
        if let Place::User(dir) = self {
            // An error may be ignored: the next build tries again.
            let _ = user_cache::sweep(dir, SystemTime::now(), LIMIT);
        }
    }
}

/// The error of a NAR that could not be written here, whoever sent it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Full(pub(crate) io::Error);

impl Full {
    fn error(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Full(error))
    }
}

/// Reads a NAR that has exactly `len` bytes, with nothing behind it.
fn whole(input: &mut impl Read, len: u64) -> io::Result<Listing> {
    let (listing, read) = super::nar::read(&mut *input, len)?;
    if read == len && input.read(&mut [0])? == 0 {
        Ok(listing)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "a NAR with another length"))
    }
}

/// Hashes what is read.
pub(crate) struct Watch<R> {
    pub(crate) input: R,
    pub(crate) hasher: Hasher,
}

impl<R: Read> Read for Watch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Hashes and writes what is read.
struct Tee<'a, R> {
    input: R,
    hasher: Hasher,
    blocks: Blocks<'a>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.blocks.add(&buffer[..count]).map_err(Full::error)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::StorePath;

    use crate::output::frame::tests::noise;
    use crate::source::store::tests::BASH;

    /// A NAR of one file.
    fn nar(content: &[u8]) -> Vec<u8> {
        let mut nar = Vec::new();
        let words: [&[u8]; 7] =
            [b"nix-archive-1", b"(", b"type", b"regular", b"contents", content, b")"];
        for word in words {
            nar.extend((word.len() as u64).to_le_bytes());
            nar.extend_from_slice(word);
            nar.resize(nar.len().next_multiple_of(8), 0);
        }
        nar
    }

    /// A place that the next run finds, in a directory of its own.
    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::User(dir.path().to_owned());
        (dir, place)
    }

    #[test]
    fn content_is_read_from_any_place() {
        let (_dir, user) = place();
        let content = noise(1_000_003);
        let bytes = nar(&content);
        let (hash, len) = (Digest::of(&bytes), bytes.len() as u64);
        assert!(user.find(&hash, len).is_none());
        user.keep(bytes.as_slice(), &hash, len).unwrap();
        let kept = user.find(&hash, len).unwrap();
        is_read(kept, user, &content);

        let run = Place::for_run().unwrap();
        // Another one is written at the same time.
        let other = nar(&noise(700_000));
        let kept = std::thread::scope(|scope| {
            let other = || run.keep(other.as_slice(), &Digest::of(&other), other.len() as u64);
            let other = scope.spawn(other);
            let kept = run.keep(bytes.as_slice(), &hash, len).unwrap();
            other.join().unwrap().unwrap();
            kept
        });
        is_read(kept, run, &content);
    }

    fn is_read(nar: Nar, place: Place, content: &[u8]) {
        let path = StorePath::parse(BASH.as_bytes()).unwrap();
        let nars = Nars::new(vec![(path, nar)], place);
        let (nar, below) = nars.at(BASH.as_bytes()).unwrap();
        let kept = nars.open(nar, below).unwrap();
        for start in [0, 1, 262_000, 262_144, 999_999, 1_000_002, 1_000_003, 2_000_000] {
            let mut buffer = vec![0; 700_000];
            let mut read = 0;
            loop {
                match kept.read_at(&mut buffer[read..], (start + read) as u64).unwrap() {
                    0 => break,
                    count => read += count,
                }
            }
            let end = (start + 700_000).min(content.len());
            assert!(buffer[..read] == content[start.min(end)..end], "{start}");
        }
        assert!(nars.at(b"y").is_none());
        assert!(nars.open(nar, b"/below").is_err());
    }

    #[test]
    fn another_nar_is_refused_and_leaves_nothing() {
        let (dir, place) = place();
        let bytes = nar(b"content");
        let (hash, len) = (Digest::of(&bytes), bytes.len() as u64);
        let longer = [bytes.as_slice(), b"x"].concat();
        let other = nar(b"another");
        for (bytes, len) in [
            (&bytes[..], len - 8),
            (&bytes, len + 8),
            (&longer, len),
            (&longer, len + 1),
            (&other, len),
        ] {
            assert!(place.keep(bytes, &hash, len).is_err());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_nar_is_not_used() {
        let (dir, place) = place();
        let bytes = nar(&noise(600_000));
        let (hash, len) = (Digest::of(&bytes), bytes.len() as u64);
        place.keep(bytes.as_slice(), &hash, len).unwrap();
        let path = file(dir.path(), &hash);
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[300_000] ^= 1;
        let whole = zstd_safe::compress_bound(bytes.len());
        let mut foreign = vec![0; whole];
        let count = zstd_safe::compress(foreign.as_mut_slice(), &bytes, 1).unwrap();
        for damaged in [&good[..good.len() - 1], &good[..5], b"", &flipped, &foreign[..count]] {
            fs::write(&path, damaged).unwrap();
            assert!(place.find(&hash, len).is_none());
            assert!(!path.exists());
        }
        fs::write(&path, good).unwrap();
        assert!(place.find(&hash, len + 8).is_none());
    }
}
