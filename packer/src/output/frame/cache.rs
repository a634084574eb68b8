//! Frames that were compressed before: of a closure that changed a little, most are taken from here.

use std::fs::{self, File, FileTimes};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, io};

use format::{Digest, Hasher};

use super::compress;
use crate::error::Result;
use crate::source::reference::Hashes;

/// How long a frame is kept after its last use.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Bytes of frames that are kept.
const LIMIT: u64 = 2 << 30;

/// A directory of compressed frames, each named by what it was made from.
///
/// A build without it is only slower: whatever goes wrong here is no error.
pub(crate) struct FrameCache {
    dir: Option<PathBuf>,
}

impl FrameCache {
    /// Opens the user's own: `packer/frames` in `$XDG_CACHE_HOME`, or in `~/.cache`.
    ///
    /// If neither is a directory of the user's, as in a Nix build or under sudo, nothing is kept.
    pub(crate) fn open() -> FrameCache {
        let own = |dir: &PathBuf| {
            let uid = rustix::process::geteuid().as_raw();
            dir.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
        };
        let base = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
            Some(dir) if dir.is_absolute() => Some(dir).filter(own),
            _ => env::home_dir().filter(own).map(|home| home.join(".cache")),
        };
        FrameCache { dir: base.and_then(|base| create(&base.join("packer/frames")).ok()) }
    }

    /// Makes one that keeps nothing.
    pub(crate) fn none() -> FrameCache {
        FrameCache { dir: None }
    }

    /// Returns what [`compress`] makes of `input`, from the cache if it was made before.
    ///
    /// A frame is taken only if it is known to be right: what is kept may be damaged.
    ///
    /// # Errors
    ///
    /// If [`compress`] fails.
    pub(crate) fn compress(&self, input: &[u8], level: i32, hashes: &Hashes) -> Result<Vec<u8>> {
        let Some(dir) = &self.dir else { return compress(input, level, hashes) };
        let key = key(input, level, hashes);
        if let Some(frame) = read(dir, &key) {
            return Ok(frame);
        }
        let frame = compress(input, level, hashes)?;
        let _ = write(dir, &key, &frame);
        Ok(frame)
    }

    /// Removes what was not used for long, and of too much what was used least lately.
    pub(crate) fn sweep(&self) {
        if let Some(dir) = &self.dir {
            let _ = sweep(dir, SystemTime::now(), LIMIT);
        }
    }
}

fn create(dir: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    Ok(dir.into())
}

/// What a frame depends on: zstd's version, the level, and where it must not show which bytes.
fn key(input: &[u8], level: i32, hashes: &Hashes) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"packer frame 2\n");
    hasher.update(&zstd_safe::version_number().to_le_bytes());
    hasher.update(&level.to_le_bytes());
    hashes.find(input, |at, _| hasher.update(&(at as u64).to_le_bytes()));
    hasher.update(&Digest::of(input).0);
    hasher.finish()
}

/// Reads a frame and notes that it was used; nothing if it is not as it was written.
///
/// That it decompresses to the right bytes would not do: some bits of a frame mean nothing.
fn read(dir: &Path, key: &Digest) -> Option<Vec<u8>> {
    let mut file = File::open(dir.join(key.to_string())).ok()?;
    let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
    let mut digest = Digest([0; 32]);
    file.read_exact(&mut digest.0).ok()?;
    let mut frame = Vec::new();
    file.read_to_end(&mut frame).ok()?;
    (seal(key, &frame) == digest).then_some(frame)
}

/// Writes a frame behind its digest, aside and renamed, since another build may write the same.
fn write(dir: &Path, key: &Digest, frame: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&seal(key, frame).0)?;
    file.write_all(frame)?;
    file.persist(dir.join(key.to_string()))?;
    Ok(())
}

/// What stands before a frame: it is this one, and the one of this key.
fn seal(key: &Digest, frame: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&key.0);
    hasher.update(frame);
    hasher.finish()
}

/// Removes the files that are older than [`KEEP`], and the oldest until the rest has `limit` bytes.
fn sweep(dir: &Path, now: SystemTime, limit: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        files.push((meta.modified()?, meta.len(), entry.path()));
    }
    files.sort();
    let mut rest: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (modified, len, path) in files {
        let age = now.duration_since(modified).unwrap_or_default();
        if age <= KEEP && rest <= limit {
            break;
        }
        fs::remove_file(path)?;
        rest -= len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use format::StorePath;

    use super::*;
    use crate::output::frame::compress_blocks;
    use crate::output::frame::tests::noise;
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
        // Another frame of the same bytes shows that it is taken from there.
        let other = compress_blocks(&input, 3, &[5000].into()).unwrap();
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
        // A bit of the frame's header that means nothing to a reader.
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

    #[test]
    fn old_frames_and_too_many_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 60 * 60);
        for age in [0, 1, 2, 29, 31] {
            let file = File::create(dir.path().join(age.to_string())).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(now - day * age).unwrap();
        }
        for (limit, expected) in [(1000, &["0", "1", "2", "29"][..]), (399, &["0", "1", "2"])] {
            sweep(dir.path(), now, limit).unwrap();
            let mut kept = files(dir.path());
            kept.sort();
            assert_eq!(kept, expected.iter().map(|name| dir.path().join(name)).collect::<Vec<_>>());
        }
    }
}
