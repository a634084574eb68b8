//! `packer delta`: makes a delta from an old and a new bundle.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;

use format::{Compression, Delta, DeltaPart, Digest, Extent, Index, Recipe, SectionKind, limits};
use runtime::payload::FrameReader;

use super::old_frames::OldFrames;
use super::pairs;
use super::patch;
use super::prefix::Prefixes;
use super::renames::{self, Renames};
use super::stored;
use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::output::frame;
use crate::parallel;
use crate::show;
use crate::source::bundle::Bundle;
use crate::source::reference::Hashes;

/// What applying a delta may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Changed frames are made from old ones and compressed again: the smallest delta.
    Compress,
    /// Changed frames are brought whole.
    Copy,
}

/// What a delta has, in numbers.
pub(crate) struct Made {
    /// Bytes of the delta.
    pub(crate) len: u64,
    /// Frames of the new bundle.
    pub(crate) frames: usize,
    /// Those of them that the old bundle has.
    pub(crate) old: usize,
    /// Those that are made from content of the old bundle.
    pub(crate) patched: usize,
}

/// Levels in the order in which they are tried: packer's default first.
const LEVELS: [i32; 22] =
    [19, 22, 3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21];

/// A patch is taken if it has at most this share of the compressed frame, in percent: applying it takes time.
const WORTH: u64 = 90;

/// Makes the delta and writes it to `path`.
///
/// # Errors
///
/// If a bundle is damaged, or the delta cannot be written.
pub(crate) fn make(
    old: &Bundle,
    new: &Bundle,
    path: &Path,
    effort: Effort,
    threads: NonZeroUsize,
) -> Result<Made> {
    // Created first: a directory that cannot be written is noticed before the work.
    let mut output = OutputFile::create_data(path)?;
    let (manifest, index) = (&old.sections.manifest, old.sections.index());
    let index = index.map_err(|error| old.error(error))?;
    let new_index = new.sections.index().map_err(|error| new.error(error))?;
    let pairs = pairs::pair(manifest, &new.sections.manifest);
    let list = renames::list(&pairs, &new.sections.manifest);
    let renames = Renames::new(manifest, &list);
    let renames = renames.ok_or(Error::TooMany { what: "store paths", limit: 0 })?;
    let tar_len = old.sections.seek_table.tar_len();
    let prefixes = Prefixes::new(&pairs, (&index, tar_len), &new_index);
    let compression = match effort {
        Effort::Compress => compression(new)?,
        Effort::Copy => None,
    };
    let maker = Maker { old, new, renames, hidden: hidden(new), compression };
    let mut parts = Parts::new()?;
    let stub = parts.take(maker.stub()?)?;
    let mut sections = Vec::new();
    for kind in SectionKind::ALL {
        sections.push(parts.take(maker.section(kind)?)?);
    }
    let old_frames = OldFrames::new(old)?;
    let mut frames = Vec::new();
    let count = new.sections.seek_table.data_frames().len();
    let work = |number| maker.frame(number, &new_index, &old_frames, &prefixes);
    parallel::in_order(threads, count, work, |made| {
        frames.push(parts.take(made)?);
        Ok(())
    })?;
    let [manifest, index, seek_table] = <[Recipe; 3]>::try_from(sections)
        .unwrap_or_else(|_| unreachable!("there are three kinds of sections"));
    let delta = Delta {
        old: old.header.id,
        new: new.header.id,
        compression: compression.unwrap_or(UNUSED),
        renames: list,
        stub: (stub, Digest::of(&stored::head(new)?)),
        sections: [manifest, index, seek_table],
        frames,
    };
    output.append(&delta.encode()?)?;
    parts.copy_to(&mut output)?;
    let is = |kind: fn(&Recipe) -> bool| delta.frames.iter().filter(|recipe| kind(recipe)).count();
    let made = Made {
        len: output.len(),
        frames: count,
        old: is(|recipe| matches!(recipe, Recipe::Old)),
        patched: is(|recipe| matches!(recipe, Recipe::Patched { .. })),
    };
    output.publish()?;
    Ok(made)
}

/// The settings in a delta that compresses nothing.
const UNUSED: Compression = Compression { zstd: 0, level: 1, window_log: 0, chain_log: 0 };

/// Finds the settings with which the manifest and the index of a bundle were compressed.
///
/// `None` if this zstd does not make the same bytes, whatever the level.
fn compression(bundle: &Bundle) -> Result<Option<Compression>> {
    let (kinds, hidden) = ([SectionKind::Manifest, SectionKind::Index], hidden(bundle));
    let mut sections = Vec::new();
    for kind in kinds {
        sections.push((stored::content(bundle, kind)?, stored::section(bundle, kind)?));
    }
    for level in LEVELS {
        let settings = frame::compression(level);
        let mut fits = true;
        for (content, stored) in &sections {
            let again = || frame::compress_hidden(content, settings, &hidden);
            fits = fits && again().is_ok_and(|(again, _)| again == *stored);
        }
        if fits {
            return Ok(Some(settings));
        }
    }
    Ok(None)
}

/// The hashes of a bundle's store paths, which it must not contain as text.
fn hidden(bundle: &Bundle) -> Hashes {
    Hashes::new(bundle.sections.manifest.paths.iter().map(|packed| packed.path.hash()))
}

/// A recipe without the place of its part, and the part.
enum Piece {
    Old,
    Whole(Vec<u8>),
    Patched { patch: Vec<u8>, len: u32, from: Vec<Extent>, breaks: Vec<u32> },
}

struct Maker<'a> {
    old: &'a Bundle,
    new: &'a Bundle,
    renames: Renames,
    /// The hashes that the new bundle must not contain as text.
    hidden: Hashes,
    compression: Option<Compression>,
}

impl Maker<'_> {
    fn stub(&self) -> Result<Piece> {
        let (mut old, new) = (stored::head(self.old)?, stored::head(self.new)?);
        if old == new {
            return Ok(Piece::Old);
        }
        self.renames.apply_to_lists(&mut old);
        uncompressed(&new, &old)
    }

    fn section(&self, kind: SectionKind) -> Result<Piece> {
        let new = stored::section(self.new, kind)?;
        if stored::section(self.old, kind)? == new {
            return Ok(Piece::Old);
        }
        let (mut old, content) =
            (stored::content(self.old, kind)?, stored::content(self.new, kind)?);
        self.renames.apply_to_lists(&mut old);
        match kind {
            SectionKind::SeekTable => uncompressed(&new, &old),
            SectionKind::Manifest | SectionKind::Index => {
                self.again(&content, new, || Ok((old, Vec::new())))
            }
        }
    }

    fn frame(
        &self,
        number: usize,
        index: &Index<'_>,
        old_frames: &OldFrames<'_>,
        prefixes: &Prefixes<'_>,
    ) -> Result<Piece> {
        let digest = index.frames[number];
        if old_frames.place(&digest).is_some() {
            return Ok(Piece::Old);
        }
        let frame = self.new.sections.seek_table.data_frames()[number];
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let content = self.new.run(|payload| {
            let mut reader = FrameReader::new(payload, &[frame])?;
            reader.read(number, &frame, digest).map(|content| content.to_vec())
        })?;
        let offset = self.new.header.descriptor.stub_len.saturating_add(frame.offset);
        let stored = stored::bytes(self.new, offset, frame.compressed_len.into())?;
        self.again(&content, stored, || {
            let from = prefixes.of(&frame);
            let mut prefix = stored::tar(self.old, prefixes.old_index(), &from)?;
            self.renames.apply(&mut prefix);
            Ok((prefix, from))
        })
    }

    /// Makes a patch for content that is compressed again, if that gives the same bytes; else takes it whole.
    fn again(
        &self,
        content: &[u8],
        stored: Vec<u8>,
        prefix: impl FnOnce() -> Result<(Vec<u8>, Vec<Extent>)>,
    ) -> Result<Piece> {
        let Some(settings) = self.compression else {
            return Ok(Piece::Whole(stored));
        };
        let (prefix, from) = prefix()?;
        let patch = patch::make(content, &prefix)?;
        if patch.len() as u64 * 100 > stored.len() as u64 * WORTH {
            return Ok(Piece::Whole(stored));
        }
        let hidden = &self.hidden;
        match frame::compress_hidden(content, settings, hidden) {
            Ok((again, breaks)) if again == stored => {
                let breaks = breaks.into_iter().filter_map(|at| u32::try_from(at).ok()).collect();
                Ok(Piece::Patched { patch, len: length(content)?, from, breaks })
            }
            // Another packer's frame, or a closure of which hashes were hidden that the manifest does not have.
            Ok(_) | Err(Error::HashInOutput) => Ok(Piece::Whole(stored)),
            Err(error) => Err(error),
        }
    }
}

/// Makes a patch for bytes that are stored as they are.
fn uncompressed(new: &[u8], old: &[u8]) -> Result<Piece> {
    let patch = patch::make(new, old)?;
    Ok(Piece::Patched { patch, len: length(new)?, from: Vec::new(), breaks: Vec::new() })
}

fn length(bytes: &[u8]) -> Result<u32> {
    let limit = limits::SECTION_LEN;
    u32::try_from(bytes.len()).map_err(|_| Error::TooMany { what: "bytes in a part", limit })
}

/// The parts, in a temporary file: their lengths stand in front of them in the delta.
struct Parts(File);

impl Parts {
    fn new() -> Result<Parts> {
        Ok(Parts(tempfile::tempfile().map_err(temporary)?))
    }

    fn take(&mut self, piece: Piece) -> Result<Recipe> {
        let part = |bytes: &[u8]| -> Result<DeltaPart> {
            Ok(DeltaPart { len: length(bytes)?, digest: Digest::of(bytes) })
        };
        let (bytes, recipe) = match piece {
            Piece::Old => return Ok(Recipe::Old),
            Piece::Whole(bytes) => {
                let part = part(&bytes)?;
                (bytes, Recipe::Whole(part))
            }
            Piece::Patched { patch, len, from, breaks } => {
                let part = part(&patch)?;
                (patch, Recipe::Patched { part, len, from, breaks })
            }
        };
        self.0.write_all(&bytes).map_err(temporary)?;
        Ok(recipe)
    }

    fn copy_to(mut self, output: &mut OutputFile) -> Result<()> {
        self.0.rewind().map_err(temporary)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.0.read(&mut buffer).map_err(temporary)? {
                0 => return Ok(()),
                count => output.append(&buffer[..count])?,
            }
        }
    }
}

fn temporary(source: std::io::Error) -> Error {
    Error::Temporary { directory: show::path(&std::env::temp_dir()), source }
}
