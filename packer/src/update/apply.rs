//! `packer apply`: makes the new bundle from the old one and a delta.

use std::num::NonZeroUsize;
use std::path::Path;

use format::{
    Descriptor, Digest, Error as FormatError, Extent, Frame, Index, Part, Recipe,
    SKIPPABLE_HEADER_LEN, SectionKind, limits,
};

use super::assembly::{Assembly, Wanted};
use super::delta_file::DeltaFile;
use super::old_frames::OldFrames;
use super::renames::Renames;
use super::target::{Keep, Target};
use super::{patch, stored};
use crate::elf;
use crate::error::{Error, Result};
use crate::output::frame;
use crate::source::bundle::Bundle;

/// Recipes in front of those of the frames: stub, manifest, index, seek table.
const HEAD: usize = 4;

/// Bytes of content for each byte of a zstd frame, at most: 128 KiB of one byte are a block of 4 bytes (RFC 8878).
const BEST_RATIO: u64 = (128 << 10) / 4;

/// Where the new bundle is written.
#[derive(Clone, Copy)]
pub(crate) enum Output<'a> {
    /// A file that is no input.
    New(&'a Path),
    /// The place of the old bundle.
    Over(&'a Target),
}

/// Applies a delta to `old`, and writes the new bundle to `output`. Returns its identity.
///
/// # Errors
///
/// If the delta is damaged or for another bundle, the old bundle is damaged, or the new one cannot be written. Then
/// nothing is written.
pub(crate) fn apply(
    old: &Bundle,
    delta: &Path,
    output: Output<'_>,
    threads: NonZeroUsize,
) -> Result<Digest> {
    let file = DeltaFile::open(delta)?;
    check(old, &file)?;
    let renames = Renames::new(&old.sections.manifest, &file.delta.renames);
    let invalid = |rule| file.damaged(FormatError::Value { part: Part::Delta, rule });
    let renames = renames.ok_or_else(|| invalid("it renames a store path that is not there"))?;
    let index = old.sections.index().map_err(|error| old.error(error))?;
    let frames = OldFrames::new(old)?;
    let applier = Applier { old, file: &file, renames, index, frames };

    let stub = applier.stub()?;
    // Before the sections are made: a small delta can make large ones, which take memory and time.
    let note = elf::note(stub.as_slice());
    let note = note.ok_or_else(|| Error::NoBundle { path: file.path.clone() })?;
    let (descriptor, id) = Descriptor::decode(note).map_err(|error| file.damaged(error))?;
    if id != file.delta.new {
        return Err(invalid("it makes another bundle than it says"));
    }
    let tail = applier.tail(&descriptor)?;
    let assembly = match output {
        Output::New(path) => Assembly::begin(path, &file.path, &stub, &tail),
        Output::Over(target) => Assembly::begin_in(target.output()?, &file.path, &stub, &tail),
    }?;
    if assembly.frames().len() != file.delta.frames.len() {
        return Err(invalid("it does not have one recipe for each frame"));
    }
    let whole = assembly.fill_by_threads(threads, |wanted| applier.frame(wanted))?;
    match output {
        Output::New(_) => whole.publish()?,
        Output::Over(target) => target.replace(whole, Keep::Nothing)?,
    }
    Ok(file.delta.new)
}

/// Checks that the delta is for this bundle and for this packer's zstd.
fn check(old: &Bundle, file: &DeltaFile) -> Result<()> {
    let (found, delta) = (old.header.id, &file.delta);
    if found != delta.old {
        let (bundle, delta_path) = (old.path.clone(), file.path.clone());
        return Err(match found == delta.new {
            true => Error::UpToDate { bundle, delta: delta_path, id: found },
            false => Error::OtherBundle { bundle, found, delta: delta_path, expected: delta.old },
        });
    }
    let compressed = [SectionKind::Manifest, SectionKind::Index].map(|kind| delta.section(kind));
    let mut compressed = compressed.into_iter().chain(&delta.frames);
    let zstd = zstd_safe::version_number();
    if compressed.any(|recipe| matches!(recipe, Recipe::Patched { .. }))
        && delta.compression.zstd != zstd
    {
        let [needed, found] = [delta.compression.zstd, zstd].map(version);
        return Err(Error::OtherZstd { delta: file.path.clone(), needed, found });
    }
    Ok(())
}

/// The text of a version of zstd: 10507 is 1.5.7.
fn version(number: u32) -> String {
    format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
}

struct Applier<'a> {
    old: &'a Bundle,
    file: &'a DeltaFile,
    renames: Renames,
    index: Index<'a>,
    frames: OldFrames<'a>,
}

impl Applier<'_> {
    /// Makes the bytes in front of the frames.
    fn stub(&self) -> Result<Vec<u8>> {
        let (recipe, digest) = &self.file.delta.stub;
        let prefix = || stored::head(self.old);
        let stub = match recipe {
            Recipe::Old => prefix()?,
            Recipe::Patched { len, .. } if *len > limits::STUB_LEN => {
                let part = Part::Delta;
                return Err(self.file.damaged(FormatError::Limit { part, what: "bytes" }));
            }
            recipe => self.outside_of_frames(0, recipe, prefix)?,
        };
        match Digest::of(&stub) == *digest {
            true => Ok(stub),
            false => Err(self.file.damaged_part(0)),
        }
    }

    /// Makes the bytes behind the frames, each section checked before the next one is made.
    fn tail(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let mut tail = Vec::new();
        for (number, kind) in (1..).zip(SectionKind::ALL) {
            let recipe = self.file.delta.section(kind);
            let expected = descriptor.sections.get(kind);
            let damaged = |source| Err(self.file.damaged(source));
            // Of what is compressed again, not even the best ratio can make a short section.
            let least = match recipe {
                Recipe::Old => self.old.header.descriptor.sections.get(kind).len,
                Recipe::Whole(part) => part.len.into(),
                Recipe::Patched { len, .. } if kind == SectionKind::SeekTable => (*len).into(),
                Recipe::Patched { len, .. } => u64::from(*len) / BEST_RATIO,
            };
            if least > expected.len {
                return damaged(FormatError::Length(kind.part()));
            }
            let section = match recipe {
                Recipe::Old => stored::section(self.old, kind)?,
                recipe => {
                    let made =
                        self.outside_of_frames(number, recipe, || stored::content(self.old, kind))?;
                    match recipe {
                        Recipe::Patched { breaks, .. } if kind != SectionKind::SeekTable => {
                            self.compress(&made, breaks)?
                        }
                        _ => made,
                    }
                }
            };
            if section.len() as u64 != expected.len {
                return damaged(FormatError::Length(kind.part()));
            }
            if Digest::of(&section) != expected.digest {
                return damaged(FormatError::Digest(kind.part()));
            }
            let len = u32::try_from(section.len()).unwrap_or(u32::MAX);
            tail.reserve(section.len() + SKIPPABLE_HEADER_LEN);
            tail.extend(kind.header(len));
            tail.extend(section);
        }
        Ok(tail)
    }

    /// Makes what a recipe says for the stub or a section, before it is compressed.
    fn outside_of_frames(
        &self,
        number: usize,
        recipe: &Recipe,
        prefix: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        match recipe {
            Recipe::Old => prefix(),
            Recipe::Whole(part) => self.file.read(number, part),
            Recipe::Patched { part, len, .. } => {
                let mut prefix = prefix()?;
                self.renames.apply_to_lists(&mut prefix);
                let content = patch::apply(&self.file.read(number, part)?, &prefix, *len as usize);
                content.ok_or_else(|| self.file.damaged_part(number))
            }
        }
    }

    /// Makes a frame. Whoever takes it checks its digest.
    fn frame(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let number = wanted.number as usize;
        match &self.file.delta.frames[number] {
            Recipe::Old => match self.frames.read(&wanted.digest)? {
                Some(frame) => Ok(frame),
                None => {
                    let rule = "a frame is not in the old bundle";
                    Err(self.file.damaged(FormatError::Value { part: Part::Delta, rule }))
                }
            },
            Recipe::Whole(part) => self.file.read(HEAD + number, part),
            Recipe::Patched { part, len, from, breaks } => {
                let damaged = || self.file.damaged_part(HEAD + number);
                let Frame { len: expected, .. } = wanted.frame;
                if *len != expected || !self.has(from) {
                    return Err(damaged());
                }
                let mut prefix = stored::tar(self.old, &self.index, from)?;
                self.renames.apply(&mut prefix);
                let patch = self.file.read(HEAD + number, part)?;
                let content = patch::apply(&patch, &prefix, *len as usize).ok_or_else(damaged)?;
                drop(prefix);
                self.compress(&content, breaks)
            }
        }
    }

    /// Whether the old tar stream has these pieces.
    fn has(&self, pieces: &[Extent]) -> bool {
        let len = self.old.sections.seek_table.tar_len();
        pieces.iter().all(|piece| piece.end() <= len)
    }

    fn compress(&self, content: &[u8], breaks: &[u32]) -> Result<Vec<u8>> {
        let breaks = breaks.iter().map(|position| *position as usize).collect();
        frame::compress_blocks(content, self.file.delta.compression, &breaks)
    }
}
