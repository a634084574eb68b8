//! The frame cache: after a small change of a closure, a build takes most frames from here.

use std::fs::{File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use format::{Digest, Hasher};

use super::compress;
use crate::error::Result;
use crate::source::reference::Hashes;
use crate::user_cache;

/// The largest number of bytes in the frame cache.
const LIMIT: u64 = 2 << 30;

/// A directory of compressed frames. The name of a file is a digest of the inputs of its frame.
///
/// All errors here are ignored, because a build works without the frame cache, only slower.
pub(crate) struct FrameCache {
    dir: Option<PathBuf>,
}

impl FrameCache {
    /// Opens the user's frame cache, if the user has one.
    pub(crate) fn open() -> FrameCache {
        FrameCache { dir: user_cache::open("frames").ok().flatten() }
    }

    /// Makes a frame cache that keeps nothing.
    pub(crate) fn none() -> FrameCache {
        FrameCache { dir: None }
    }

    /// Returns the result of [`compress`], from the frame cache if it is there.
    ///
    /// A damaged frame is not used: a digest protects each file.
    ///
    /// # Errors
    ///
    /// If [`compress`] fails.
    pub(crate) fn compress(&self, input: &[u8], level: i32, hashes: &Hashes) -> Result<Vec<u8>> {
        self.get(|| key(input, level, hashes), || compress(input, level, hashes))
    }

    /// Returns what `make` returns, from the frame cache if it is there. The key is a digest of all that it depends on.
    ///
    /// # Errors
    ///
    /// If `make` fails.
    pub(crate) fn get(
        &self,
        key: impl FnOnce() -> Digest,
        make: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let Some(dir) = &self.dir else { return make() };
        let key = key();
        if let Some(frame) = read(dir, &key) {
            return Ok(frame);
        }
        let frame = make()?;
        let _ = write(dir, &key, &frame);
        Ok(frame)
    }

    /// Removes frames that were not used for long, and the least recently used ones beyond [`LIMIT`].
    pub(crate) fn sweep(&self) {
        if let Some(dir) = &self.dir {
            let _ = user_cache::sweep(dir, SystemTime::now(), LIMIT);
        }
    }
}

/// Returns the digest of all that a frame depends on: zstd's version, the level, the positions of hashes in the
/// input, and the input.
fn key(input: &[u8], level: i32, hashes: &Hashes) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"packer frame 4\n");
    hasher.update(&zstd_safe::version_number().to_le_bytes());
    hasher.update(&level.to_le_bytes());
    hashes.find(input, |at, _| hasher.update(&(at as u64).to_le_bytes()));
    hasher.update(&Digest::of(input).0);
    hasher.finish()
}

/// Reads a frame and updates its time of last use; `None` if the file is missing or damaged.
///
/// Decompressing the frame would not find all damage, since some bits of a frame have no meaning. With such a
/// bit changed, the bundle would not be reproducible.
fn read(dir: &Path, key: &Digest) -> Option<Vec<u8>> {
    let mut file = File::open(dir.join(key.to_string())).ok()?;
    let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
    let mut digest = Digest([0; 32]);
    file.read_exact(&mut digest.0).ok()?;
    let mut frame = Vec::new();
    file.read_to_end(&mut frame).ok()?;
    (frame_digest(key, &frame) == digest).then_some(frame)
}

/// Writes a digest and the frame to a temporary file and renames it, since another build may write the same file.
fn write(dir: &Path, key: &Digest, frame: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&frame_digest(key, frame).0)?;
    file.write_all(frame)?;
    file.persist(dir.join(key.to_string()))?;
    Ok(())
}

/// Returns the digest at the start of a file, over its key and the frame. The key detects a renamed file.
fn frame_digest(key: &Digest, frame: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&key.0);
    hasher.update(frame);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use format::StorePath;

    use super::*;
    use crate::output::frame::tests::noise;
    use crate::output::frame::{compress_blocks, compression};
    use crate::source::store::tests::{BASH, GLIBC};

    fn hashes(base_names: &[&str]) -> Hashes {
        let hash = |name: &&str| StorePath::parse(name.as_bytes()).unwrap().hash();
        Hashes::new(base_names.iter().map(hash))
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn frame_is_as_if_compressed_anew() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FrameCache { dir: Some(dir.path().into()) };
        let input = [&noise(10_000)[..], GLIBC.as_bytes(), BASH.as_bytes()].concat();
        for (names, level) in
            [(&[][..], 3), (&[GLIBC], 3), (&[GLIBC], 19), (&[BASH], 3), (&[BASH, GLIBC], 3)]
        {
            let hashes = hashes(names);
            let expected = compress(&input, level, &hashes).unwrap();
            let kept = files(dir.path()).len();
            for _ in 0..2 {
                assert!(cache.compress(&input, level, &hashes).unwrap() == expected);
                assert_eq!(files(dir.path()).len(), kept + 1);
            }
        }
    }

    #[test]
    fn kept_frame_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FrameCache { dir: Some(dir.path().into()) };
        let (input, hashes) = (noise(10_000), hashes(&[]));
        cache.compress(&input, 3, &hashes).unwrap();
        // A different frame of the same input, stored in the cache: getting it back shows that the cache is used.
        let other = compress_blocks(&input, compression(3), &[5000].into()).unwrap();
        assert!(other != cache.compress(&input, 3, &hashes).unwrap());
        write(dir.path(), &key(&input, 3, &hashes), &other).unwrap();
        assert!(cache.compress(&input, 3, &hashes).unwrap() == other);
    }

    #[test]
    fn damaged_frame_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FrameCache { dir: Some(dir.path().into()) };
        let (input, hashes) = (noise(10_000), hashes(&[]));
        let expected = cache.compress(&input, 3, &hashes).unwrap();
        let path = &files(dir.path())[0];
        let kept = fs::read(path).unwrap();
        // A bit of the frame header that decoders ignore.
        let mut flipped = kept.clone();
        flipped[32 + 4] ^= 1 << 4;
        assert!(zstd_safe::decompress(&mut vec![0; input.len()][..], &flipped[32..]).is_ok());
        let other = noise(10_001);
        cache.compress(&other, 3, &hashes).unwrap();
        let foreign = fs::read(dir.path().join(key(&other, 3, &hashes).to_string())).unwrap();
        for damaged in
            [&b""[..], &kept[..5000], &[kept.as_slice(), b"x"].concat(), &flipped, &foreign]
        {
            fs::write(path, damaged).unwrap();
            assert!(cache.compress(&input, 3, &hashes).unwrap() == expected);
            assert!(fs::read(path).unwrap() == kept);
        }
    }
}
