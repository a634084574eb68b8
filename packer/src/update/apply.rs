//! `packer apply`: makes the new bundle from the old one and a delta.

use std::num::NonZeroUsize;
use std::path::Path;

use format::{
    Digest, Error as FormatError, Extent, Frame, Index, Part, Recipe, SKIPPABLE_HEADER_LEN,
    SectionKind, limits,
};

use super::assembly::{Assembly, Wanted};
use super::delta_file::DeltaFile;
use super::old_frames::OldFrames;
use super::renames::Renames;
use super::{patch, stored};
use crate::error::{Error, Result};
use crate::output::frame;
use crate::source::bundle::Bundle;

/// Recipes in front of those of the frames: stub, manifest, index, seek table.
const HEAD: usize = 4;

/// Applies a delta to `old`, and writes the new bundle to `path`, which may be the old one's. Returns its identity.
///
/// # Errors
///
/// If the delta is damaged or for another bundle, the old bundle is damaged, or the new one cannot be written. Then
/// nothing is written.
pub(crate) fn apply(
    old: &Bundle,
    delta: &Path,
    path: &Path,
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

    let assembly = Assembly::begin(path, &file.path, &applier.stub()?, &applier.tail()?)?;
    if assembly.id() != file.delta.new {
        return Err(invalid("it makes another bundle than it says"));
    }
    if assembly.frames().len() != file.delta.frames.len() {
        return Err(invalid("it does not have one recipe for each frame"));
    }
    let whole = assembly.fill_by_threads(threads, |wanted| applier.frame(wanted))?;
    whole.publish()?;
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

    /// Makes the bytes behind the frames.
    fn tail(&self) -> Result<Vec<u8>> {
        let mut tail = Vec::new();
        for (number, kind) in (1..).zip(SectionKind::ALL) {
            let recipe = self.file.delta.section(kind);
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
