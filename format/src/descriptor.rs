//! The descriptor: the table inside the stub that says where everything else is.

use alloc::vec::Vec;

use crate::argv0::Argv0;
use crate::digest::{Digest, Hasher, checksum};
use crate::entry::Entry;
use crate::environment::Rule;
use crate::error::{Error, Part};
use crate::graphics::{self, Graphics};
use crate::mode::Modes;
use crate::skippable::SectionKind;
use crate::store_path::StorePath;
use crate::wire::{Reader, Writer, is_zero};

/// The version of the format that this crate writes.
pub const BUNDLE_VERSION: u32 = 5;

/// The oldest version that it reads.
pub const OLDEST_VERSION: u32 = 1;

/// The owner name of the ELF note that contains the descriptor.
pub const NOTE_NAME: &str = "packer";

/// The type of that ELF note.
pub const NOTE_TYPE: u32 = 1;

/// Bytes of the descriptor, with the unused ones.
///
/// Two pages have room for the entries of coreutils and some environment rules; a start reads only
/// the bytes in use and checks that the others are zero. A change breaks old files.
pub const DESCRIPTOR_LEN: usize = 8192;

/// Bytes before the checksum: the version and the length of the body.
const HEAD_LEN: usize = 8;

/// The position of a section in the file, and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// The digest of these bytes.
    pub digest: Digest,
}

impl Section {
    /// Returns the section's end, in bytes from the start of the file.
    ///
    /// # Errors
    ///
    /// If the end does not fit a u64.
    pub fn end(&self) -> Result<u64, Error> {
        self.offset.checked_add(self.len).ok_or(Error::Length(Part::Descriptor))
    }
}

/// The positions of all sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionTable {
    /// The compressed manifest.
    pub manifest: Section,
    /// The compressed index.
    pub index: Section,
    /// The seek table.
    pub seek_table: Section,
}

impl SectionTable {
    /// Makes the table. It calls `make` for each section, in the order of [`SectionKind::ALL`].
    ///
    /// # Errors
    ///
    /// The first error of `make`.
    pub fn try_from_fn<E>(
        mut make: impl FnMut(SectionKind) -> Result<Section, E>,
    ) -> Result<SectionTable, E> {
        let [first, second, third] = SectionKind::ALL;
        let sections = [make(first)?, make(second)?, make(third)?];
        let [manifest, index, seek_table] = sections;
        Ok(SectionTable { manifest, index, seek_table })
    }

    /// Returns the position of a section.
    pub fn get(&self, kind: SectionKind) -> &Section {
        match kind {
            SectionKind::Manifest => &self.manifest,
            SectionKind::Index => &self.index,
            SectionKind::SeekTable => &self.seek_table,
        }
    }
}

/// A store path that a start needs, with its content key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathKey {
    /// The store path.
    pub path: StorePath,
    /// The content key; see [`crate::PackedPath::key`].
    pub key: Digest,
}

/// The descriptor: all that a start needs when the closure is already unpacked, and where the rest
/// is.
///
/// The kernel maps it together with the stub, so a start need not read the file for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The version of the format; [`Descriptor::encode`] writes the newest.
    pub version: u32,
    /// Bytes of the stub. The payload follows it.
    pub stub_len: u64,
    /// Bytes of the whole file.
    pub file_len: u64,
    /// The positions of the manifest, the index and the seek table.
    pub sections: SectionTable,
    /// The modes that the packer allows.
    pub modes: Modes,
    /// The store paths that entries and rules name, and those that no other store path refers to.
    pub paths: Vec<PathKey>,
    /// The programs; the first is the default. There is at least one.
    pub entries: Vec<Entry>,
    /// The environment rules, in the order in which they apply.
    pub environment: Vec<Rule>,
    /// What the programs need of graphics drivers, if anything. Versions 1 to 3 do not have it.
    pub graphics: Option<Graphics>,
    /// Programs of the host that the bundle's programs start, by their names: they get the caller's environment.
    /// Versions 1 to 3 do not have them.
    pub host_programs: Vec<Vec<u8>>,
    /// What the program gets as argv\[0\].
    pub argv0: Argv0,
}

impl Descriptor {
    /// Encodes the descriptor and fills it up with zeros.
    ///
    /// # Errors
    ///
    /// If entries and rules do not fit, or the descriptor exceeds another limit of the format.
    pub fn encode(&self) -> Result<[u8; DESCRIPTOR_LEN], Error> {
        let part = Part::Descriptor;
        let mut body = Writer::default();
        body.u64(self.stub_len);
        body.u64(self.file_len);
        for section in SectionKind::ALL.map(|kind| self.sections.get(kind)) {
            body.u64(section.offset);
            body.u64(section.len);
            body.bytes(&section.digest.0);
        }
        body.u32(self.modes.to_bits());
        body.count(part, "store paths", self.paths.len())?;
        for PathKey { path, key } in &self.paths {
            path.encode(part, &mut body)?;
            body.bytes(&key.0);
        }
        body.count(part, "entries", self.entries.len())?;
        self.entries.iter().try_for_each(|entry| entry.encode(&mut body))?;
        body.count(part, "environment rules", self.environment.len())?;
        self.environment.iter().try_for_each(|rule| rule.encode(&mut body))?;
        graphics::encode_any(self.graphics.as_ref(), &mut body)?;
        body.count(part, "programs of the host", self.host_programs.len())?;
        for name in &self.host_programs {
            body.short(part, "bytes in a program's name", name)?;
        }
        self.argv0.encode(&mut body)?;

        let mut head = Writer::default();
        head.u32(BUNDLE_VERSION);
        head.count(part, "bytes", body.bytes.len())?;
        let digest = digest(&head.bytes, &body.bytes);
        let checksum = checksum(&[&head.bytes, &digest.0, &body.bytes]);
        let mut bytes = head.bytes;
        bytes.extend_from_slice(&checksum);
        bytes.extend_from_slice(&digest.0);
        bytes.extend_from_slice(&body.bytes);
        bytes.resize(bytes.len().max(DESCRIPTOR_LEN), 0);
        bytes
            .try_into()
            .map_err(|_| Error::Limit { part, what: "entries, environment rules and closures" })
    }

    /// Decodes a descriptor and compares its checksum, which finds accidental changes.
    ///
    /// It also returns the descriptor's digest, the identity of the bundle: through the digests of
    /// the sections it covers everything after the stub. It does not compare this digest, which
    /// would make each start slower: [`Descriptor::check_digest`] does that.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyDescriptor`] for a stub that is not filled in, [`Error::Version`] for another
    /// version, [`Error::Digest`] for changed bytes; other errors only if the packer wrote invalid
    /// values.
    pub fn decode(bytes: &[u8; DESCRIPTOR_LEN]) -> Result<(Descriptor, Digest), Error> {
        let part = Part::Descriptor;
        let mut reader = Reader::new(part, bytes);
        let head: [u8; HEAD_LEN] = reader.array()?;
        let expected: [u8; 8] = reader.array()?;
        let digest = Digest(reader.array()?);
        let mut fields = Reader::new(part, &head);
        let version = match fields.u32()? {
            version @ OLDEST_VERSION..=BUNDLE_VERSION => version,
            0 if is_zero(bytes) => return Err(Error::EmptyDescriptor),
            found => return Err(Error::Version { found }),
        };
        let len = usize::try_from(fields.u32()?).map_err(|_| Error::Length(part))?;
        let body = reader.bytes(len)?;
        if checksum(&[&head, &digest.0, body]) != expected {
            return Err(Error::Digest(part));
        }
        let unused = bytes.len().saturating_sub(BODY_OFFSET).saturating_sub(len);
        if !is_zero(reader.bytes(unused)?) {
            return Err(Error::Digest(part));
        }
        Ok((decode_body(version, Reader::new(part, body))?, digest))
    }

    /// Returns the digest in a descriptor of any version, whatever the rest is.
    #[must_use]
    pub fn stored_digest(bytes: &[u8; DESCRIPTOR_LEN]) -> Digest {
        let stored = bytes.get(HEAD_LEN + 8..).and_then(|rest| rest.first_chunk());
        Digest(stored.copied().unwrap_or_default())
    }

    /// Compares the digest of a descriptor that [`Descriptor::decode`] accepts.
    ///
    /// # Errors
    ///
    /// [`Error::Digest`] if the bytes have another digest.
    pub fn check_digest(bytes: &[u8; DESCRIPTOR_LEN]) -> Result<(), Error> {
        let mut reader = Reader::new(Part::Descriptor, bytes);
        let head: [u8; HEAD_LEN] = reader.array()?;
        let _checksum: [u8; 8] = reader.array()?;
        let expected = Digest(reader.array()?);
        let len = Reader::new(Part::Descriptor, head.get(4..).unwrap_or_default()).u32()?;
        let body = reader.bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
        if digest(&head, body) == expected { Ok(()) } else { Err(Error::Digest(Part::Descriptor)) }
    }
}

/// Offset of the body: it follows the head, the checksum and the digest.
const BODY_OFFSET: usize = HEAD_LEN + 8 + 32;

fn digest(head: &[u8], body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finish()
}

fn decode_body(version: u32, mut reader: Reader<'_>) -> Result<Descriptor, Error> {
    let stub_len = reader.u64()?;
    let file_len = reader.u64()?;
    let mut section = || -> Result<Section, Error> {
        let section =
            Section { offset: reader.u64()?, len: reader.u64()?, digest: Digest(reader.array()?) };
        if section.offset < stub_len || section.end()? > file_len {
            return Err(reader.invalid("a section is outside of the file"));
        }
        Ok(section)
    };
    let sections = SectionTable::try_from_fn(|_| section())?;
    let modes = Modes::from_bits(reader.u32()?)
        .ok_or_else(|| reader.invalid("a mode is unknown, or no mode is set"))?;
    let paths = (0..reader.count(u16::MAX.into(), 55, "store paths")?)
        .map(|_| {
            let path = StorePath::decode(&mut reader)?;
            Ok(PathKey { path, key: Digest(reader.array()?) })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let entries = (0..reader.count(u32::MAX, 4, "entries")?)
        .map(|_| Entry::decode(&mut reader, version, paths.len()))
        .collect::<Result<Vec<_>, Error>>()?;
    if entries.is_empty() {
        return Err(reader.invalid("the bundle has no entry"));
    }
    let environment = (0..reader.count(u32::MAX, 7, "environment rules")?)
        .map(|_| Rule::decode(&mut reader, paths.len()))
        .collect::<Result<Vec<_>, Error>>()?;
    let (graphics, host_programs) = match version {
        1..=3 => (None, Vec::new()),
        _ => (
            graphics::decode_any(&mut reader, paths.len())?,
            (0..reader.count(u32::MAX, 3, "programs of the host")?)
                .map(|_| program_name(&mut reader))
                .collect::<Result<_, Error>>()?,
        ),
    };
    let argv0 = Argv0::decode(&mut reader)?;
    reader.finish()?;
    Ok(Descriptor {
        version,
        stub_len,
        file_len,
        sections,
        modes,
        paths,
        entries,
        environment,
        graphics,
        host_programs,
        argv0,
    })
}

fn program_name(reader: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    match reader.short()? {
        b"" | b"." | b".." => Err(reader.invalid("a program of the host has no name")),
        name if name.contains(&b'/') || name.contains(&0) => {
            Err(reader.invalid("a program of the host has '/' or NUL in its name"))
        }
        name => Ok(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::environment::{Action, Piece};
    use crate::graphics::Interface;
    use crate::mode::Mode;

    fn descriptor() -> Descriptor {
        let section = |offset, len| Section { offset, len, digest: Digest::of(b"section") };
        let path = StorePath::parse(b"1b9p07z77phvv2hf6gm9f28syp39f1ag-markov").unwrap();
        Descriptor {
            version: BUNDLE_VERSION,
            stub_len: 1000,
            file_len: 5000,
            sections: SectionTable {
                manifest: section(3000, 100),
                index: section(3200, 500),
                seek_table: section(4000, 1000),
            },
            modes: [Mode::Namespace, Mode::Ram].into_iter().collect(),
            paths: vec![PathKey { path, key: Digest::of(b"key") }],
            entries: vec![Entry { path: 0, program: b"/bin/markov".into(), subset: None }],
            environment: vec![Rule {
                action: Action::SetUnlessSet,
                name: b"DATA".into(),
                value: vec![Piece::Path(0), Piece::Bytes(b"/share".into()), Piece::Bundle],
            }],
            graphics: None,
            host_programs: Vec::new(),
            argv0: Argv0::default(),
        }
    }

    #[test]
    fn round_trips() {
        let bytes = descriptor().encode().unwrap();
        assert_eq!(Descriptor::decode(&bytes).unwrap().0, descriptor());
        let mut descriptor = descriptor();
        assert_eq!(descriptor.entries[0].name(&descriptor.paths), b"markov");
        descriptor.entries[0].program.clear();
        assert_eq!(descriptor.entries[0].name(&descriptor.paths), b"markov");
        descriptor.entries[0].subset = Some(7);
        for argv0 in [Argv0::Caller, Argv0::Entry, Argv0::Name(b"-x".into())] {
            let interfaces = [Interface::Egl, Interface::Cuda].into_iter().collect();
            let graphics = Some(Graphics { interfaces, glibc: Some(36), drivers: Some(0) });
            let host_programs = vec![b"xdg-open".to_vec()];
            let descriptor = Descriptor { argv0, graphics, host_programs, ..descriptor.clone() };
            let bytes = descriptor.encode().unwrap();
            assert_eq!(Descriptor::decode(&bytes).unwrap().0, descriptor);
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let good = descriptor().encode().unwrap();
        assert_eq!(Descriptor::check_digest(&good), Ok(()));
        assert_eq!(Descriptor::decode(&good).unwrap().1, Descriptor::stored_digest(&good));
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 0x10;
            assert!(Descriptor::decode(&bad).is_err(), "byte {at}");
            let is_in_use = at >= HEAD_LEN + 8
                && at < BODY_OFFSET + usize::from(good[4]) + usize::from(good[5]) * 256;
            assert!(!is_in_use || Descriptor::check_digest(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn empty_descriptor_and_other_version_are_refused() {
        assert_eq!(Descriptor::decode(&[0; DESCRIPTOR_LEN]), Err(Error::EmptyDescriptor));
        let mut future = descriptor().encode().unwrap();
        let found = BUNDLE_VERSION + 1;
        future[..4].copy_from_slice(&found.to_le_bytes());
        assert_eq!(Descriptor::decode(&future), Err(Error::Version { found }));
    }

    #[test]
    fn entry_cannot_leave_its_store_path() {
        for bad in ["bin/markov", "/../x", "/bin/../x", "//x", "/bin/", "/"] {
            let mut descriptor = descriptor();
            descriptor.entries[0].program = bad.into();
            let bytes = descriptor.encode().unwrap();
            assert!(Descriptor::decode(&bytes).is_err(), "{bad}");
        }
    }

    #[test]
    fn too_many_entries_are_refused() {
        let mut descriptor = descriptor();
        descriptor.entries = vec![descriptor.entries[0].clone(); 1000];
        assert!(matches!(descriptor.encode(), Err(Error::Limit { .. })));
    }
}
