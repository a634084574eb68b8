//! Puts a bundle together from parts that come one by one, and checks each before the bundle gets its name.

use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use format::{Digest, Error as FormatError, Frame, Part, SKIPPABLE_HEADER_LEN};

use crate::elf;
use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::parallel;
use crate::source::bundle::Bundle;

/// A frame that a bundle needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) number: u32,
    pub(crate) frame: Frame,
    /// The digest of the compressed frame.
    pub(crate) digest: Digest,
}

/// A bundle whose stub and sections are there and checked, and whose frames are missing. Dropping it removes it.
pub(crate) struct Assembly {
    output: OutputFile,
    /// The unfinished file, read as every bundle is.
    bundle: Bundle,
    frames: Vec<Wanted>,
}

/// A bundle that has all its bytes, each of them checked, but no name yet. Dropping it removes it.
pub(crate) struct Whole {
    output: OutputFile,
}

impl Assembly {
    /// Begins a bundle for `path`.
    ///
    /// `head` has the bytes before the frames: the stub with its descriptor. `tail` has all bytes behind the frames:
    /// the sections, each in its skippable frame. `source` names where they come from, for messages.
    ///
    /// # Errors
    ///
    /// If they are not head and tail of one bundle, a section differs from what was packed, or `path` cannot be written.
    pub(crate) fn begin(path: &Path, source: &str, head: &[u8], tail: &[u8]) -> Result<Assembly> {
        Assembly::begin_in(OutputFile::create(path, 0)?, source, head, tail)
    }

    /// As [`Assembly::begin`], in a file that was created for it.
    ///
    /// # Errors
    ///
    /// As [`Assembly::begin`].
    pub(crate) fn begin_in(
        mut output: OutputFile,
        source: &str,
        head: &[u8],
        tail: &[u8],
    ) -> Result<Assembly> {
        let damaged =
            |source_error| Error::Damaged { path: source.to_owned(), source: source_error };
        output.append(head)?;
        let note = elf::descriptor(output.file());
        let note = note.ok_or_else(|| Error::NoBundle { path: source.to_owned() })?;
        let (descriptor, _) = format::Descriptor::decode(&note).map_err(damaged)?;
        let end = descriptor.sections.manifest.offset.checked_sub(SKIPPABLE_HEADER_LEN as u64);
        if descriptor.stub_len != head.len() as u64
            || end.and_then(|end| end.checked_add(tail.len() as u64)) != Some(descriptor.file_len)
        {
            return Err(damaged(FormatError::Length(Part::Descriptor)));
        }
        // The file is sparse: what is between takes no room yet.
        output.write_at(tail, descriptor.file_len - tail.len() as u64)?;
        Assembly::of(output, source)
    }

    /// Takes a file that has the stub and the sections, and perhaps frames.
    ///
    /// # Errors
    ///
    /// If it has not.
    pub(crate) fn of(output: OutputFile, source: &str) -> Result<Assembly> {
        let file = output.file().try_clone();
        let file = file.map_err(|error| Error::io("write", output.path(), error))?;
        let bundle = Bundle::of(source.to_owned(), file)?;
        let index = bundle.sections.index().map_err(|error| bundle.error(error))?;
        let frames = (0..).zip(bundle.sections.seek_table.data_frames()).zip(&index.frames);
        let frames = frames.map(|((number, frame), digest)| Wanted {
            number,
            frame: *frame,
            digest: *digest,
        });
        let frames = frames.collect();
        Ok(Assembly { output, frames, bundle })
    }

    /// The bundle's identity.
    pub(crate) fn id(&self) -> Digest {
        self.bundle.header.id
    }

    /// The bundle without its frames: its descriptor and its sections.
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The frames in the order of the file.
    pub(crate) fn frames(&self) -> &[Wanted] {
        &self.frames
    }

    /// Writes the frames. It calls `source` for each, in the order of the file.
    ///
    /// # Errors
    ///
    /// The first error of `source`, or if a frame is another one than the bundle needs, or cannot be written.
    pub(crate) fn fill(
        mut self,
        mut source: impl FnMut(&Wanted) -> Result<Vec<u8>>,
    ) -> Result<Whole> {
        for wanted in &self.frames {
            let bytes = source(wanted)?;
            check(&self.bundle.path, wanted, &bytes)?;
            let offset = self.bundle.header.descriptor.stub_len + wanted.frame.offset;
            self.output.write_at(&bytes, offset)?;
        }
        Ok(Whole { output: self.output })
    }

    /// Checks the frames, which the file has already.
    ///
    /// # Errors
    ///
    /// If a frame is another one than the bundle needs, or cannot be read.
    pub(crate) fn check(self) -> Result<Whole> {
        for wanted in &self.frames {
            let offset = self.bundle.header.descriptor.stub_len + wanted.frame.offset;
            let mut bytes = vec![0; wanted.frame.compressed_len as usize];
            let read = self.output.file().read_exact_at(&mut bytes, offset);
            read.map_err(|error| Error::io("read", self.output.path(), error))?;
            check(&self.bundle.path, wanted, &bytes)?;
        }
        Ok(Whole { output: self.output })
    }

    /// As [`Assembly::fill`], but it calls `source` from several threads, for the largest part in the order of the file.
    ///
    /// # Errors
    ///
    /// As [`Assembly::fill`], or if no thread can be started.
    pub(crate) fn fill_by_threads(
        mut self,
        threads: NonZeroUsize,
        source: impl Fn(&Wanted) -> Result<Vec<u8>> + Sync,
    ) -> Result<Whole> {
        let (frames, name) = (&self.frames, self.bundle.path.as_str());
        let stub_len = self.bundle.header.descriptor.stub_len;
        let make = |number: usize| {
            let bytes = source(&frames[number])?;
            check(name, &frames[number], &bytes)?;
            Ok((stub_len + frames[number].frame.offset, bytes))
        };
        let output = &mut self.output;
        parallel::in_order(threads, frames.len(), make, |(offset, bytes)| {
            output.write_at(&bytes, offset)
        })?;
        Ok(Whole { output: self.output })
    }
}

impl Whole {
    /// The file, from which a signature of the whole bundle can be checked.
    pub(crate) fn file(&self) -> &std::fs::File {
        self.output.file()
    }

    /// Gives the bundle its name; replaces an existing file by renaming, also one that runs.
    ///
    /// # Errors
    ///
    /// If it cannot be synced or renamed.
    pub(crate) fn publish(self) -> Result<()> {
        self.output.publish()
    }

    /// As [`Whole::publish`], if `check` permits it directly before.
    ///
    /// # Errors
    ///
    /// As [`Whole::publish`], or that of `check`.
    pub(crate) fn publish_if(self, check: impl FnOnce() -> Result<()>) -> Result<()> {
        self.output.publish_if(check)
    }
}

/// Checks that bytes are a frame that the bundle needs.
fn check(name: &str, wanted: &Wanted, bytes: &[u8]) -> Result<()> {
    let part = Part::Frame(wanted.number);
    let damaged = |source| Err(Error::Damaged { path: name.to_owned(), source });
    if bytes.len() as u64 != u64::from(wanted.frame.compressed_len) {
        return damaged(FormatError::Length(part));
    }
    match Digest::of(bytes) == wanted.digest {
        true => Ok(()),
        false => damaged(FormatError::Digest(part)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::LazyLock;

    use super::*;
    use crate::source::bundle::tests::{build, fixture, noise};
    use crate::source::store::tests::GLIBC;
    use crate::update::old_frames::OldFrames;

    /// A bundle with several frames: its bytes, and where its head ends and its tail begins.
    static EXAMPLE: LazyLock<(Vec<u8>, usize, usize)> = LazyLock::new(|| {
        let (store, dir) = fixture();
        for (number, noise) in noise(18 << 20).chunks(1 << 20).enumerate() {
            store.file(&format!("{GLIBC}/share/{number}"), noise);
        }
        let path = build(&store, dir.path(), "old", &["--level=1"]).unwrap();
        let bundle = Bundle::open(&path).unwrap();
        let descriptor = &bundle.header.descriptor;
        let head = usize::try_from(descriptor.stub_len).unwrap();
        let tail = usize::try_from(descriptor.sections.manifest.offset).unwrap();
        (fs::read(&path).unwrap(), head, tail - SKIPPABLE_HEADER_LEN)
    });

    /// Writes the bundle to a directory of its own.
    fn example() -> (tempfile::TempDir, &'static [u8], usize, usize) {
        let (bytes, head, tail) = &*EXAMPLE;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), bytes).unwrap();
        (dir, bytes, *head, *tail)
    }

    #[test]
    fn parts_become_the_bundle() {
        let (dir, bytes, head, tail) = example();
        let old = Bundle::open(&dir.path().join("old")).unwrap();
        let frames = OldFrames::new(&old).unwrap();
        let source = |wanted: &Wanted| Ok(frames.read(&wanted.digest)?.unwrap());
        let path = dir.path().join("new");
        for threads in [None, NonZeroUsize::new(3)] {
            let begun = Assembly::begin(&path, "old", &bytes[..head], &bytes[tail..]).unwrap();
            assert_eq!(begun.id(), old.header.id);
            assert!(begun.frames().len() > 1);
            assert!(!path.exists());
            let whole = match threads {
                None => begun.fill(source),
                Some(threads) => begun.fill_by_threads(threads, source),
            };
            whole.unwrap().publish().unwrap();
            assert!(fs::read(&path).unwrap() == bytes);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o111, 0o111);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn wrong_parts_leave_nothing() {
        let (dir, bytes, head, tail) = example();
        let path = dir.path().join("new");
        let begin = |head: &[u8], tail: &[u8]| Assembly::begin(&path, "x.delta", head, tail);
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let (head, tail) = (&bytes[..head], &bytes[tail..]);
        for (head, tail, expected) in [
            (&b"#!/bin/sh"[..], tail, "x.delta is not a bundle"),
            (&head[..head.len() - 1], tail, "descriptor: wrong length"),
            (head, &tail[..tail.len() - 1], "descriptor: wrong length"),
            (head, &flipped(tail, 0), "manifest: the header of its skippable frame was changed"),
            (head, &flipped(tail, 8), "manifest: digest"),
            (head, &flipped(tail, tail.len() - 1), "seek table: digest"),
            (&flipped(head, 200), tail, "descriptor: digest"),
        ] {
            let error = begin(head, tail).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let old = Bundle::open(&dir.path().join("old")).unwrap();
        let frames = OldFrames::new(&old).unwrap();
        for (at, expected) in [(Some(0), "frame 1: digest"), (None, "frame 1: wrong length")] {
            let source = |wanted: &Wanted| {
                let bytes = frames.read(&wanted.digest)?.unwrap();
                Ok(match (wanted.number, at) {
                    (1, Some(at)) => flipped(&bytes, at),
                    (1, None) => bytes[1..].to_vec(),
                    _ => bytes,
                })
            };
            let error = begin(head, tail).unwrap().fill(source).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 1, "only the old bundle");
    }
}
