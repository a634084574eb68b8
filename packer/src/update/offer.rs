//! The bundle that a URL offers: its descriptor and its sections, checked before anything else is fetched.

use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use format::{Digest, SKIPPABLE_HEADER_LEN, SectionKind, limits};
use runtime::payload;

use super::location::{Location, Terms};
use super::remote::Opened;
use crate::elf;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::show;
use crate::source::bundle::{self, Bundle};

/// Bytes at the start of the file that are fetched first: packer's stubs have the descriptor in the first 9 KiB.
const HEAD_LEN: u64 = 16 << 10;

/// A bundle behind a URL.
pub(crate) struct Offer {
    /// The URL, for messages.
    pub(super) name: String,
    /// The first bytes of the file.
    pub(super) head: Vec<u8>,
    header: payload::Bundle,
    /// How the rest can be read.
    pub(super) way: Opened,
}

/// The sections of an offered bundle.
pub(crate) struct Sections {
    /// The bundle without its frames, and without most of its stub.
    pub(crate) bundle: Bundle,
    /// The bytes behind the frames.
    pub(crate) tail: Vec<u8>,
}

impl Offer {
    /// Asks for the start of a bundle. `terms` are those for what a server sends.
    ///
    /// # Errors
    ///
    /// If there is no bundle, or it is damaged.
    pub(crate) fn open(location: &Location, terms: Terms, progress: &Progress) -> Result<Offer> {
        let name = location.name();
        let (head, way) = Opened::open(location, terms, HEAD_LEN, progress)?;
        let note = elf::note(head.as_slice());
        let note = note.ok_or_else(|| Error::NoBundle { path: name.clone() })?;
        let header = bundle::header(&name, note)?;
        let descriptor = &header.descriptor;
        let expected = descriptor.file_len;
        if let Some(found) = way.len().filter(|len| *len != expected) {
            return Err(Error::OtherLength { path: name, found, expected });
        }
        let offer = Offer { head, header, way, name };
        offer.check_lengths()?;
        Ok(offer)
    }

    /// Checks what is held in memory, before it is fetched.
    fn check_lengths(&self) -> Result<()> {
        let descriptor = &self.header.descriptor;
        let sections = SectionKind::ALL.map(|kind| descriptor.sections.get(kind));
        let header = SKIPPABLE_HEADER_LEN as u64;
        let sum =
            sections.iter().map(|it| it.len.saturating_add(header)).fold(0, u64::saturating_add);
        let tail = self.tail();
        let is_whole = tail.end.checked_sub(tail.start) == Some(sum);
        let is_small = sections.iter().all(|section| section.len <= limits::SECTION_LEN);
        if descriptor.stub_len > limits::STUB_LEN.into() || !is_whole || !is_small {
            let what = "a bundle whose stub or sections are longer than any packer writes";
            return Err(Error::UpdateLie { url: self.name.clone(), what: what.to_owned() });
        }
        Ok(())
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.header.descriptor.file_len
    }

    /// Bytes at the start of the file that have come.
    pub(crate) fn head_len(&self) -> u64 {
        self.head.len() as u64
    }

    /// Whether the server knows ranges.
    pub(crate) fn has_ranges(&self) -> bool {
        matches!(self.way, Opened::Ranges(_))
    }

    /// The identity of the bundle.
    pub(crate) fn id(&self) -> Digest {
        self.header.id
    }

    /// Where the sections are, with their headers.
    fn tail(&self) -> Range<u64> {
        let descriptor = &self.header.descriptor;
        let start = descriptor.sections.manifest.offset.saturating_sub(SKIPPABLE_HEADER_LEN as u64);
        start..descriptor.file_len
    }

    /// Bytes that an update has fetched when it knows the sections.
    pub(crate) fn known(&self) -> u64 {
        self.head.len() as u64 + self.tail().end - self.tail().start
    }

    /// Fetches the sections. Without ranges, all bytes come, and the others are thrown away.
    ///
    /// # Errors
    ///
    /// If they do not come, or are not those of the descriptor.
    pub(crate) fn sections(&mut self, progress: &Progress) -> Result<Sections> {
        let range = self.tail();
        let tail = match &mut self.way {
            Opened::Ranges(remote) => remote.range(range.clone(), progress)?,
            Opened::Stream(stream) => {
                let mut tail = self.head.get(index(range.start)..).unwrap_or_default().to_vec();
                stream.rest(range.end, progress, |bytes, at| {
                    let skipped = index(range.start.saturating_sub(at)).min(bytes.len());
                    tail.extend_from_slice(&bytes[skipped..]);
                    Ok(())
                })?;
                tail
            }
        };
        // A sparse file, since packer and the stub read bundles from files only.
        let temporary =
            |source| Error::Temporary { directory: show::path(&std::env::temp_dir()), source };
        let file = tempfile::tempfile().map_err(temporary)?;
        file.write_all_at(&self.head, 0).map_err(temporary)?;
        file.write_all_at(&tail, range.start).map_err(temporary)?;
        Ok(Sections { bundle: Bundle::of(self.name.clone(), file)?, tail })
    }
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
