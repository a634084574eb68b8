//! The new bundle: frames of the old one and of the cache, and what is missing, in few ranges.

use std::iter;
use std::ops::Range;

use format::{Digest, Frame};

use super::assembly::{Assembly, Wanted, Whole};
use super::choice::{self, Release, Standing};
use super::kept::Kept;
use super::offer::{Offer, Sections};
use super::old_frames::OldFrames;
use super::old_stub;
use super::ranges;
use super::remote::{Opened, Remote};
use super::target::Target;
use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::progress::Progress;
use crate::source::bundle::Bundle;

/// What an update takes from the server.
pub(crate) struct Plan {
    /// The number of frames of the new bundle, and of those that are missing.
    pub(crate) frames: usize,
    pub(crate) missing: usize,
    /// The stub, if the old bundle has it.
    stub: Option<Vec<u8>>,
    /// The stub and the frames that are missing.
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// Finds what is missing. `head` bytes of the new bundle have come already.
    ///
    /// # Errors
    ///
    /// If one of the bundles is damaged.
    pub(crate) fn new(old: &OldFrames<'_>, new: &Bundle, kept: &Kept, head: u64) -> Result<Plan> {
        let index = new.sections.index().map_err(|error| new.error(error))?;
        let frames = new.sections.seek_table.data_frames();
        let is_missing = |(frame, digest): &(&Frame, &Digest)| {
            old.place(digest).is_none() && !kept.has(digest, frame.compressed_len)
        };
        let missing: Vec<_> = frames.iter().zip(&index.frames).filter(is_missing).collect();
        let stub_len = new.header.descriptor.stub_len;
        let range = |frame: &Frame| {
            let start = stub_len.saturating_add(frame.offset);
            start..start.saturating_add(frame.compressed_len.into())
        };
        let wanted = missing.iter().map(|(frame, _)| range(frame));
        let stub = old_stub::find(old.bundle(), new);
        let ranges = match stub {
            Some(_) => ranges::merge(wanted),
            None if head >= stub_len => ranges::merge(wanted),
            None => ranges::merge(iter::once(head..stub_len).chain(wanted)),
        };
        Ok(Plan { frames: frames.len(), missing: missing.len(), stub, ranges })
    }

    /// Bytes that are fetched.
    pub(crate) fn len(&self) -> u64 {
        ranges::len(&self.ranges)
    }
}

/// A new bundle that has arrived.
pub(crate) struct Arrived {
    pub(crate) whole: Whole,
    pub(crate) standing: Standing,
    pub(crate) release: Release,
    /// Names of entries that only the old bundle has.
    pub(crate) lost: Vec<String>,
    /// The digests of its frames.
    pub(crate) digests: Vec<Digest>,
    /// The number of frames that were fetched.
    pub(crate) fetched: usize,
    /// Bytes that were fetched.
    pub(crate) bytes: u64,
}

/// Fetches what is missing of an offered bundle. `check` decides whether it is wanted, as soon as its sections are there.
///
/// # Errors
///
/// If it is not wanted, does not come, or cannot be written.
pub(crate) fn fetch(
    target: &Target,
    mut offer: Offer,
    kept: &Kept,
    check: impl Fn(&Bundle) -> Result<Standing>,
    progress: &Progress,
) -> Result<Arrived> {
    let output = target.output()?;
    target.reserve(&output, offer.len())?;
    let Sections { bundle, tail } = match &offer.way {
        Opened::Ranges(_) => offer.sections(progress)?,
        Opened::Stream(_) => return all(target, output, offer, check, progress),
    };
    let standing = check(&bundle)?;
    let name = offer.name;
    let Opened::Ranges(mut remote) = offer.way else {
        return Err(Error::UpdateChanged { url: name });
    };
    let old = OldFrames::new(&target.bundle)?;
    let mut plan = Plan::new(&old, &bundle, kept, offer.head.len() as u64)?;
    let own_stub = plan.stub.take();
    progress.start("fetching", Some(plan.len()));
    let stub_len = bundle.header.descriptor.stub_len;
    let mut frames =
        Frames { old, kept, remote: &mut remote, plan: &plan, stub_len, progress, fetched: 0 };
    let stub = own_stub.map_or_else(|| frames.stub(offer.head), Ok)?;
    let assembly = Assembly::begin_in(output, &name, &stub, &tail)?;
    if assembly.id() != bundle.header.id {
        return Err(Error::UpdateChanged { url: name });
    }
    let digests = assembly.frames().iter().map(|wanted| wanted.digest).collect();
    let whole = assembly.fill(|wanted| frames.get(wanted, &name))?;
    let fetched = frames.fetched;
    let release = Release::of(&bundle);
    let lost = choice::lost_entries(&target.bundle, &bundle);
    Ok(Arrived { whole, standing, release, lost, digests, fetched, bytes: remote.received })
}

/// Takes all bytes as they come. The index is behind the frames, so these are checked when all are there.
fn all(
    target: &Target,
    mut output: OutputFile,
    offer: Offer,
    check: impl Fn(&Bundle) -> Result<Standing>,
    progress: &Progress,
) -> Result<Arrived> {
    let (bytes, name) = (offer.len(), offer.name);
    progress.start("fetching", Some(bytes));
    output.append(&offer.head)?;
    if let Opened::Stream(mut stream) = offer.way {
        stream.rest(bytes, progress, |bytes, _| output.append(bytes))?;
    }
    let assembly = Assembly::of(output, &name)?;
    let standing = check(assembly.bundle())?;
    let frames = assembly.frames().len();
    let digests = assembly.frames().iter().map(|wanted| wanted.digest).collect();
    let release = Release::of(assembly.bundle());
    let lost = choice::lost_entries(&target.bundle, assembly.bundle());
    let whole = assembly.check()?;
    Ok(Arrived { whole, standing, release, lost, digests, fetched: frames, bytes })
}

/// Where the frames of the new bundle come from.
struct Frames<'a> {
    old: OldFrames<'a>,
    kept: &'a Kept,
    remote: &'a mut Remote,
    plan: &'a Plan,
    stub_len: u64,
    progress: &'a Progress,
    /// The number of frames that were fetched.
    fetched: usize,
}

impl Frames<'_> {
    /// Returns the stub, whose first bytes have come.
    fn stub(&mut self, mut head: Vec<u8>) -> Result<Vec<u8>> {
        head.truncate(usize::try_from(self.stub_len).unwrap_or(usize::MAX));
        let at = head.len() as u64;
        head.extend(self.read(at, self.stub_len - at)?);
        Ok(head)
    }

    /// Returns a frame, checked.
    fn get(&mut self, wanted: &Wanted, name: &str) -> Result<Vec<u8>> {
        let (digest, number) = (&wanted.digest, wanted.number);
        // A frame of the old bundle that is damaged by now is fetched.
        if let Some(frame) = self.old.read(digest).ok().flatten() {
            return Ok(frame);
        }
        if let Some(frame) = self.kept.read(digest) {
            return Ok(frame);
        }
        let at = self.stub_len.saturating_add(wanted.frame.offset);
        let frame = self.read(at, wanted.frame.compressed_len.into())?;
        if Digest::of(&frame) != *digest {
            let what = format!("other bytes for frame {number} than the bundle has");
            return Err(Error::UpdateLie { url: name.to_owned(), what });
        }
        self.kept.keep(digest, &frame);
        self.fetched += 1;
        Ok(frame)
    }

    /// Reads bytes of the new file, with those that follow in the same range on their way.
    fn read(&mut self, at: u64, len: u64) -> Result<Vec<u8>> {
        let end = ranges::end(&self.plan.ranges, at).unwrap_or(at);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.remote.read(&mut bytes, at, end, self.progress)?;
        Ok(bytes)
    }
}
