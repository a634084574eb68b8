//! Reads the bundle's own file: checks and decodes sections and frames.

use alloc::ffi::CString;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::{
    DESCRIPTOR_LEN, Descriptor, Digest, Extent, Frame, Index, Manifest, Part, SKIPPABLE_HEADER_LEN,
    SectionKind, SeekTable, limits,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use zstd_safe::DCtx;

use crate::error::Error;
use crate::system::file::{self, Permissions};
use crate::system::{call, limit};

/// The descriptor of a bundle, with its digest.
#[derive(Debug)]
pub struct Bundle {
    /// Where the parts of the bundle are.
    pub descriptor: Descriptor,
    /// The bundle's identity: the descriptor's digest.
    pub id: Digest,
}

impl Bundle {
    /// Decodes the descriptor.
    ///
    /// # Errors
    ///
    /// If no packer of this format version writes such bytes.
    pub fn decode(descriptor: &[u8; DESCRIPTOR_LEN]) -> Result<Bundle, Error> {
        let (descriptor, id) = Descriptor::decode(descriptor)?;
        Ok(Bundle { descriptor, id })
    }
}

/// The payload of a bundle whose file is open.
#[derive(Debug)]
pub struct Payload<'a> {
    file: OwnedFd,
    descriptor: &'a Descriptor,
}

/// The sections, which a reader needs to read the frames.
#[derive(Debug)]
pub struct Sections {
    /// The list of store paths.
    pub manifest: Manifest,
    /// The positions of the frames.
    pub seek_table: SeekTable,
    /// The index, decompressed but not decoded.
    index: Vec<u8>,
}

impl<'a> Payload<'a> {
    /// Opens the file that this process executes.
    ///
    /// It is safe if another file is opened: every byte is checked against the descriptor, which
    /// the kernel mapped when the process started.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, its length is not the one that was packed, or the stack is too small to read it.
    pub fn open_own(descriptor: &'a Descriptor) -> Result<Payload<'a>, Error> {
        if !limit::has_stack() {
            return Err(Error::Stack);
        }
        match open(c"/proc/self/exe") {
            Ok(file) => match Payload::new(file, descriptor) {
                Err(Error::FileLength { .. }) => Payload::open_executed(descriptor),
                payload => payload,
            },
            Err(Errno::NOENT) => Payload::open_executed(descriptor),
            Err(errno) => Err(Error::OwnFile(errno)),
        }
    }

    /// Opens the file that was given to execve(2). Without /proc, only its path is known; and where an emulator of
    /// another processor type executes the bundle, /proc/self/exe can be the emulator.
    #[cold]
    fn open_executed(descriptor: &'a Descriptor) -> Result<Payload<'a>, Error> {
        let file = call::executed_as().map_or(Err(Errno::NOENT), open);
        Payload::new(file.map_err(Error::OwnFile)?, descriptor)
    }

    /// Takes the open file of a bundle.
    ///
    /// # Errors
    ///
    /// If its length is not the one that was packed.
    pub fn new(file: OwnedFd, descriptor: &'a Descriptor) -> Result<Payload<'a>, Error> {
        let found = rustix::fs::fstat(&file).map_err(Error::OwnFile)?.st_size;
        let found = u64::try_from(found).unwrap_or(0);
        let expected = descriptor.file_len;
        if found != expected {
            return Err(Error::FileLength { expected, found });
        }
        Ok(Payload { file, descriptor })
    }

    /// Reads the manifest, the index and the seek table, and checks them.
    ///
    /// # Errors
    ///
    /// If one differs from what the packer wrote.
    pub fn sections(&self) -> Result<Sections, Error> {
        // In the order of the file, which can be on a slow disk.
        let sections = Sections {
            manifest: self.manifest()?,
            index: self.section(SectionKind::Index)?,
            seek_table: SeekTable::decode(&self.stored(SectionKind::SeekTable)?)?,
        };
        self.check_headers(&sections.seek_table)?;
        Ok(sections)
    }

    /// Checks that frames and sections follow each other up to the end of the file, with nothing
    /// between them.
    fn check_headers(&self, seek_table: &SeekTable) -> Result<(), Error> {
        let mut offset = self.descriptor.stub_len;
        for frame in seek_table.data_frames() {
            offset = offset.saturating_add(frame.compressed_len.into());
        }
        for kind in SectionKind::ALL {
            let section = self.descriptor.sections.get(kind);
            let mut header = [0; SKIPPABLE_HEADER_LEN];
            let whole = file::read_at(self.file.as_fd(), &mut header, offset);
            let len = u32::try_from(section.len).unwrap_or(u32::MAX);
            let start = offset.saturating_add(SKIPPABLE_HEADER_LEN as u64);
            if !whole.map_err(Error::OwnFile)?
                || header != kind.header(len)
                || start != section.offset
            {
                let rule = "the header of its skippable frame was changed";
                return Err(format::Error::Value { part: kind.part(), rule }.into());
            }
            offset = section.end()?;
        }
        if offset != self.descriptor.file_len {
            return Err(format::Error::Length(Part::SeekTable).into());
        }
        Ok(())
    }

    /// Reads the manifest only.
    ///
    /// # Errors
    ///
    /// If it differs from what the packer wrote.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        let bytes = self.section(SectionKind::Manifest)?;
        let manifest = Manifest::decode(&bytes, self.descriptor.version)?;
        let subsets = self.descriptor.entries.iter().filter_map(|entry| entry.subset);
        if subsets.max().is_some_and(|last| usize::from(last) >= manifest.subsets.len()) {
            let rule = "an entry's subset is missing";
            return Err(format::Error::Value { part: Part::Manifest, rule }.into());
        }
        Ok(manifest)
    }

    /// Reads the contents of files; each frame is decoded once.
    ///
    /// # Errors
    ///
    /// If a frame differs from what the packer wrote, or there is not enough memory.
    #[cold]
    pub fn contents(
        &self,
        sections: &Sections,
        index: &Index<'_>,
        extents: &[Extent],
    ) -> Result<Vec<Vec<u8>>, Error> {
        let frames = sections.seek_table.data_frames();
        let mut contents = Vec::new();
        contents.resize(extents.len(), Vec::new());
        let overlap = |frame: &Frame, extent: &Extent| {
            let (start, end) = (extent.start.max(frame.start), extent.end().min(frame.end()));
            // Both are inside the frame, whose content fits in memory.
            let at = |offset: u64| usize::try_from(offset - frame.start).unwrap_or(usize::MAX);
            (start < end).then(|| at(start)..at(end))
        };
        let mut reader = FrameReader::new(self, frames)?;
        for ((number, frame), digest) in (0..).zip(frames).zip(&index.frames) {
            if extents.iter().any(|extent| overlap(frame, extent).is_some()) {
                let bytes = reader.read(number, frame, *digest)?;
                for (extent, content) in extents.iter().zip(&mut contents) {
                    if let Some(range) = overlap(frame, extent) {
                        content.extend_from_slice(&bytes[range]);
                    }
                }
            }
        }
        Ok(contents)
    }

    /// Reads a section's bytes from the file, and checks their digest.
    fn stored(&self, kind: SectionKind) -> Result<Vec<u8>, Error> {
        let (part, section) = (kind.part(), self.descriptor.sections.get(kind));
        if section.len > limits::SECTION_LEN {
            return Err(format::Error::Limit { part, what: "bytes" }.into());
        }
        let mut bytes = buffer(section.len)?;
        let whole = file::read_at(self.file.as_fd(), &mut bytes, section.offset);
        if !whole.map_err(Error::OwnFile)? {
            return Err(format::Error::Length(part).into());
        }
        if Digest::of(&bytes) != section.digest {
            return Err(format::Error::Digest(part).into());
        }
        Ok(bytes)
    }

    /// Reads and decompresses a section.
    fn section(&self, kind: SectionKind) -> Result<Vec<u8>, Error> {
        let (part, compressed) = (kind.part(), self.stored(kind)?);
        let len = match zstd_safe::get_frame_content_size(&compressed) {
            Ok(Some(len)) if len <= limits::SECTION_LEN => len,
            _ => return Err(format::Error::Limit { part, what: "bytes" }.into()),
        };
        let mut bytes = buffer(len)?;
        let mut decoder = DCtx::try_create().ok_or_else(Error::memory)?;
        decode(&mut decoder, part, &compressed, &mut bytes)?;
        Ok(bytes)
    }
}

impl Sections {
    /// Returns the base name of each store path that is in a subset, or of each one.
    pub fn names(&self, subset: Option<u16>) -> Vec<Option<CString>> {
        let name = |path: &format::PackedPath| CString::new(path.path.to_string()).ok();
        let is_in = |number: &usize| self.manifest.is_in(subset, *number);
        let paths = self.manifest.paths.iter().enumerate();
        paths.map(|(number, path)| Some(number).filter(is_in).and_then(|_| name(path))).collect()
    }

    /// Decodes the index.
    ///
    /// # Errors
    ///
    /// If no packer writes such an index, or it does not fit the manifest and the seek table.
    pub fn index(&self) -> Result<Index<'_>, Error> {
        let paths = self.manifest.paths.len();
        let index = Index::decode(&self.index, paths, self.seek_table.tar_len())?;
        if index.frames.len() != self.seek_table.data_frames().len() {
            let rule = "the number of digests differs from the number of frames";
            return Err(format::Error::Value { part: Part::Index, rule }.into());
        }
        Ok(index)
    }
}

/// Reads frames one after the other, with the same two buffers.
pub struct FrameReader<'a> {
    payload: &'a Payload<'a>,
    decoder: DCtx<'static>,
    compressed: Vec<u8>,
    content: Vec<u8>,
}

impl<'a> FrameReader<'a> {
    /// Allocates buffers for the largest of `frames`.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn new(payload: &'a Payload<'a>, frames: &[Frame]) -> Result<FrameReader<'a>, Error> {
        let largest = |len: fn(&Frame) -> u32| frames.iter().map(len).max().unwrap_or(0).into();
        Ok(FrameReader {
            payload,
            decoder: DCtx::try_create().ok_or_else(Error::memory)?,
            compressed: buffer(largest(|frame| frame.compressed_len))?,
            content: buffer(largest(|frame| frame.len))?,
        })
    }

    /// Reads a frame, checks its digest and returns its content, which the caller may change.
    ///
    /// # Errors
    ///
    /// If the frame cannot be read, or differs from what the packer wrote.
    pub fn read(&mut self, number: u32, frame: &Frame, digest: Digest) -> Result<&mut [u8], Error> {
        self.load(number, frame)?;
        self.decode(number, frame, digest)
    }

    /// Reads a frame for [`FrameReader::decode`].
    ///
    /// # Errors
    ///
    /// If the frame cannot be read.
    pub fn load(&mut self, number: u32, frame: &Frame) -> Result<(), Error> {
        // The seek table allows less than 2³⁰ bytes for a frame.
        let compressed = &mut self.compressed[..frame.compressed_len as usize];
        let offset = self.payload.descriptor.stub_len.saturating_add(frame.offset);
        let whole = file::read_at(self.payload.file.as_fd(), compressed, offset);
        match whole.map_err(Error::OwnFile)? {
            true => Ok(()),
            false => Err(format::Error::Length(Part::Frame(number)).into()),
        }
    }

    /// Checks the digest of the frame that was read last and returns its content, which the caller may change.
    ///
    /// # Errors
    ///
    /// If the frame differs from what the packer wrote.
    pub fn decode(
        &mut self,
        number: u32,
        frame: &Frame,
        digest: Digest,
    ) -> Result<&mut [u8], Error> {
        let part = Part::Frame(number);
        let compressed = &self.compressed[..frame.compressed_len as usize];
        let content = &mut self.content[..frame.len as usize];
        if Digest::of(compressed) != digest {
            return Err(format::Error::Digest(part).into());
        }
        decode(&mut self.decoder, part, compressed, content)?;
        Ok(content)
    }
}

fn open(path: &CStr) -> Result<OwnedFd, Errno> {
    file::open(CWD, path, OFlags::RDONLY, Permissions::empty())
}

/// Decompresses one zstd frame, whose content must have exactly the length of `content`.
fn decode(
    decoder: &mut DCtx<'_>,
    part: Part,
    compressed: &[u8],
    content: &mut [u8],
) -> Result<(), Error> {
    match decoder.decompress(content, compressed) {
        Ok(len) if len == content.len() => Ok(()),
        _ => Err(format::Error::Length(part).into()),
    }
}

/// Allocates zeroed bytes; too little memory is an error.
fn buffer(len: u64) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(len).map_err(|_| Error::memory())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::memory())?;
    bytes.resize(len, 0);
    Ok(bytes)
}
