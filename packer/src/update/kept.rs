//! Frames that have arrived, in the user's cache until the update is complete: the next run does not fetch them again.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use format::Digest;

use crate::user_cache;

/// The largest number of bytes that unfinished updates leave.
const LIMIT: u64 = 2 << 30;

/// A directory of frames. The name of a file is the digest of the frame in it, so half a file is not used.
///
/// All errors here are ignored: without the directory, an interrupted update begins anew.
pub(crate) struct Kept {
    dir: Option<PathBuf>,
    /// Bytes that may be added.
    room: Cell<u64>,
}

impl Kept {
    /// Opens the user's directory, if the user has one.
    pub(crate) fn open() -> Kept {
        Kept::of(user_cache::open("downloads").ok().flatten(), LIMIT)
    }

    fn of(dir: Option<PathBuf>, limit: u64) -> Kept {
        let entries = dir.as_ref().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten();
        let used = entries.flatten().filter_map(|entry| Some(entry.metadata().ok()?.len()));
        let room = limit.saturating_sub(used.fold(0, u64::saturating_add));
        Kept { dir, room: Cell::new(room) }
    }

    /// Whether a frame of this length may be there.
    pub(crate) fn has(&self, digest: &Digest, len: u32) -> bool {
        let meta = self.path(digest).and_then(|path| path.metadata().ok());
        meta.is_some_and(|meta| meta.len() == u64::from(len))
    }

    /// Reads a frame; `None` if it is not there, or damaged.
    pub(crate) fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let frame = fs::read(self.path(digest)?).ok()?;
        (Digest::of(&frame) == *digest).then_some(frame)
    }

    /// Keeps a frame, if there is room for it.
    pub(crate) fn keep(&self, digest: &Digest, frame: &[u8]) {
        let Some(path) = self.path(digest) else { return };
        let Some(room) = self.room.get().checked_sub(frame.len() as u64) else { return };
        self.room.set(room);
        if fs::write(&path, frame).is_err() {
            let _ = fs::remove_file(&path);
        }
    }

    /// Removes the frames of a bundle that is complete, and what other updates left for long or beyond [`LIMIT`].
    pub(crate) fn sweep(&self, complete: impl Iterator<Item = Digest>) {
        let Some(dir) = &self.dir else { return };
        for path in complete.filter_map(|digest| self.path(&digest)) {
            let _ = fs::remove_file(path);
        }
        let _ = user_cache::sweep(dir, SystemTime::now(), LIMIT);
    }

    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        self.dir.as_deref().map(|dir: &Path| dir.join(digest.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(Some(dir.path().into()), 12);
        let digest = Digest::of(b"frame");
        assert_eq!(kept.read(&digest), None);
        kept.keep(&digest, b"frame");
        assert!(kept.has(&digest, 5) && !kept.has(&digest, 6));
        assert_eq!(kept.read(&digest).as_deref(), Some(&b"frame"[..]));
        for damaged in [&b"fram"[..], b"frbme", b""] {
            fs::write(dir.path().join(digest.to_string()), damaged).unwrap();
            assert_eq!(kept.read(&digest), None);
        }
        kept.keep(&Digest::of(b"other"), b"other");
        // There is room for two bytes.
        for full in [&kept, &Kept::of(Some(dir.path().into()), 7)] {
            let third = Digest::of(b"third");
            full.keep(&third, b"third");
            assert!(!full.has(&third, 5));
        }
        kept.sweep([digest, Digest::of(b"none")].into_iter());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        Kept::of(None, 12).keep(&digest, b"frame");
    }
}
