//! The bundle's own file: frames and sections → checked bytes.

use alloc::ffi::CString;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::{
    DESCRIPTOR_LEN, Descriptor, Digest, Frame, Index, Manifest, Part, SKIPPABLE_HEADER_LEN,
    SectionKind, SeekTable, limits,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use zstd_safe::DCtx;

use crate::error::Error;
use crate::system::call;
use crate::system::file::{self, Permissions};

/// A bundle, as its descriptor describes it.
#[derive(Debug)]
pub struct Bundle {
    /// Where everything is.
    pub descriptor: Descriptor,
    /// The bundle's identity: the descriptor's digest.
    pub id: Digest,
}

impl Bundle {
    /// Reads the descriptor.
    ///
    /// # Errors
    ///
    /// If it is not one that a packer of this version wrote.
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

/// The sections: what has to be known to read the frames.
#[derive(Debug)]
pub struct Sections {
    /// What the bundle is.
    pub manifest: Manifest,
    /// Where the frames are.
    pub seek_table: SeekTable,
    /// The index, not decoded.
    index: Vec<u8>,
}

impl<'a> Payload<'a> {
    /// Opens the file that this process executes.
    ///
    /// Another file in its place does no harm: every byte is checked against the descriptor, which the
    /// kernel mapped when it started the process.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or has not the length it had when it was packed.
    pub fn open_own(descriptor: &'a Descriptor) -> Result<Payload<'a>, Error> {
        let open = |path: &CStr| file::open(CWD, path, OFlags::RDONLY, Permissions::empty());
        let file = match (open(c"/proc/self/exe"), call::executed_as()) {
            (Ok(file), _) => Ok(file),
            // Where /proc is not mounted, the path it was called by is the next best.
            (Err(Errno::NOENT), Some(path)) => open(path),
            (Err(errno), _) => Err(errno),
        };
        Payload::new(file.map_err(Error::OwnFile)?, descriptor)
    }

    /// Takes an open bundle.
    ///
    /// # Errors
    ///
    /// If it has not the length it had when it was packed.
    pub fn new(file: OwnedFd, descriptor: &'a Descriptor) -> Result<Payload<'a>, Error> {
        let found = rustix::fs::fstat(&file).map_err(Error::OwnFile)?.st_size;
        let found = u64::try_from(found).unwrap_or(0);
        let expected = descriptor.file_len;
        if found != expected {
            return Err(Error::FileLength { expected, found });
        }
        Ok(Payload { file, descriptor })
    }

    /// Reads the manifest, the index and the seek table.
    ///
    /// # Errors
    ///
    /// If one is not what the packer wrote.
    pub fn sections(&self) -> Result<Sections, Error> {
        let sections = Sections {
            manifest: self.manifest()?,
            seek_table: SeekTable::decode(&self.stored(SectionKind::SeekTable)?)?,
            index: self.section(SectionKind::Index)?,
        };
        self.check_headers(&sections.seek_table)?;
        Ok(sections)
    }

    /// Checks that the frames lie one behind the other, up to the file's end: nothing is between them.
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
                let rule = "its frame's header is not as it was packed";
                return Err(format::Error::Value { part: kind.part(), rule }.into());
            }
            offset = section.end()?;
        }
        if offset != self.descriptor.file_len {
            return Err(format::Error::Length(Part::SeekTable).into());
        }
        Ok(())
    }

    /// Reads the manifest alone.
    ///
    /// # Errors
    ///
    /// If it is not what the packer wrote.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        Ok(Manifest::decode(&self.section(SectionKind::Manifest)?, self.descriptor.version)?)
    }

    /// Reads a section's bytes as they are in the file, and checks them.
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
        let mut decoder = DCtx::try_create().ok_or(Error::Memory)?;
        decode(&mut decoder, part, &compressed, &mut bytes)?;
        Ok(bytes)
    }
}

impl Sections {
    /// The base name of each store path.
    pub fn names(&self) -> Vec<Option<CString>> {
        let name = |path: &format::PackedPath| CString::new(path.path.to_string()).ok();
        self.manifest.paths.iter().map(name).collect()
    }

    /// Decodes the index.
    ///
    /// # Errors
    ///
    /// If it is not one that a packer writes, or does not fit the manifest and the seek table.
    pub fn index(&self) -> Result<Index<'_>, Error> {
        let paths = self.manifest.paths.len();
        let index = Index::decode(&self.index, paths, self.seek_table.tar_len())?;
        if index.frames.len() != self.seek_table.data_frames().len() {
            let rule = "not one digest for each frame";
            return Err(format::Error::Value { part: Part::Index, rule }.into());
        }
        Ok(index)
    }
}

/// Reads frames, one after the other, with one pair of buffers.
pub struct FrameReader<'a> {
    payload: &'a Payload<'a>,
    decoder: DCtx<'static>,
    compressed: Vec<u8>,
    content: Vec<u8>,
}

impl<'a> FrameReader<'a> {
    /// Makes buffers for the largest of `frames`.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn new(payload: &'a Payload<'a>, frames: &[Frame]) -> Result<FrameReader<'a>, Error> {
        let largest = |len: fn(&Frame) -> u32| frames.iter().map(len).max().unwrap_or(0).into();
        Ok(FrameReader {
            payload,
            decoder: DCtx::try_create().ok_or(Error::Memory)?,
            compressed: buffer(largest(|frame| frame.compressed_len))?,
            content: buffer(largest(|frame| frame.len))?,
        })
    }

    /// Returns a frame's content, once its digest is known to be right. The caller may change it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not what the packer wrote.
    pub fn read(&mut self, number: u32, frame: &Frame, digest: Digest) -> Result<&mut [u8], Error> {
        let part = Part::Frame(number);
        // Frames before the seek table's limit are below 2³⁰ bytes.
        let compressed = &mut self.compressed[..frame.compressed_len as usize];
        let content = &mut self.content[..frame.len as usize];
        let offset = self.payload.descriptor.stub_len.saturating_add(frame.offset);
        let whole = file::read_at(self.payload.file.as_fd(), compressed, offset);
        if !whole.map_err(Error::OwnFile)? {
            return Err(format::Error::Length(part).into());
        }
        if Digest::of(compressed) != digest {
            return Err(format::Error::Digest(part).into());
        }
        decode(&mut self.decoder, part, compressed, content)?;
        Ok(content)
    }
}

/// Decompresses one zstd frame that has exactly `content`'s length.
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

/// Allocates zeroed bytes, or says that memory is out.
fn buffer(len: u64) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(len).map_err(|_| Error::Memory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::Memory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}
