//! Whether what is installed still fits the bundle.

use alloc::ffi::CString;
use alloc::string::ToString as _;
use core::fmt;

use format::{DESCRIPTOR_LEN, Descriptor, Digest, NOTE_NAME, NOTE_TYPE};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, OFlags};

use super::data_home::DataHome;
use super::record::Record;
use super::text::{Text, kept};
use crate::system::file::{self, Permissions};

/// What became of an installed bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The entries start it.
    Ok,
    /// It was moved, renamed or removed.
    Gone,
    /// Another file is there: another version, for example.
    Replaced,
    /// A file is missing that was installed.
    Incomplete,
    /// An installation is at work, or was killed.
    Unfinished,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Ok => "ok",
            State::Gone => "stale: the bundle is not there any more",
            State::Replaced => "stale: another version is there",
            State::Incomplete => "stale: installed files are missing",
            State::Unfinished => "unfinished: an installation is at work, or was killed",
        })
    }
}

impl State {
    /// Finds out what became of a bundle.
    pub(super) fn of(home: &DataHome, record: &Record) -> State {
        match digest(record.bundle) {
            _ if !exists(record.bundle) => State::Gone,
            Some(digest) if digest != record.digest => State::Replaced,
            None => State::Replaced,
            Some(_) if record.files.iter().all(|path| home.exists(path)) => State::Ok,
            Some(_) => State::Incomplete,
        }
    }
}

impl Record {
    /// Whether it is of this bundle, here or before it was moved.
    pub(super) fn is_of(&self, bundle: &[u8], digest: Option<Text>) -> bool {
        self.bundle == bundle || Some(self.digest) == digest && !exists(self.bundle)
    }
}

pub(super) fn exists(path: &[u8]) -> bool {
    CString::new(path).is_ok_and(|path| rustix::fs::stat(&path).is_ok())
}

/// Returns the digest of the bundle at a path, as text; `None` if it is none.
fn digest(path: &[u8]) -> Option<Text> {
    // Opening a pipe must not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = file::open(CWD, &CString::new(path).ok()?, flags, Permissions::empty()).ok()?;
    let descriptor = descriptor(&file)?;
    Some(text(&Descriptor::stored_digest(&descriptor)))
}

/// Returns a digest as text.
pub(super) fn text(digest: &Digest) -> Text {
    kept(digest.to_string().into_bytes())
}

/// Reads the note that has the descriptor: elf(5), 64 bits.
fn descriptor(file: &OwnedFd) -> Option<[u8; DESCRIPTOR_LEN]> {
    /// The type of a segment with notes.
    const NOTES: &[u8] = &[4, 0, 0, 0];
    /// The numbers in front of a note's name, and the name with NUL and padding.
    const HEAD_LEN: usize = 12 + 8;
    let header: [u8; 64] = read(file, 0)?;
    let first = header.starts_with(b"\x7fELF\x02\x01").then(|| number(&header[32..40]))?;
    for segment in 0..number(&header[56..58]) {
        let segment: [u8; 56] = read(file, first.checked_add(segment * 56)?)?;
        let mut at = number(&segment[8..16]);
        let end = at.checked_add(number(&segment[32..40]))?;
        while segment.starts_with(NOTES) && at < end {
            let head: [u8; HEAD_LEN] = read(file, at)?;
            let [name, content] = [0, 4].map(|at| number(&head[at..at + 4]));
            let is_ours = head[12..].starts_with(NOTE_NAME.as_bytes());
            if is_ours && number(&head[8..12]) == NOTE_TYPE.into() {
                return read(file, at + HEAD_LEN as u64);
            }
            at += 12 + name.next_multiple_of(4) + content.next_multiple_of(4);
        }
    }
    None
}

fn read<const LEN: usize>(file: &OwnedFd, offset: u64) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    file::read_at(file.as_fd(), &mut bytes, offset).ok()?.then_some(bytes)
}

fn number(little_endian: &[u8]) -> u64 {
    little_endian.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
