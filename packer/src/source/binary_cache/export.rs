//! A file that `nix-store --export` writes: NARs, each with what Nix knows of its store path, and no signatures.
//!
//! The format is that of `exportPaths` in Nix's source: for each store path the number 1, its NAR, [`MAGIC`], the path, its
//! references, its deriver and a number for an old form of signatures; then the number 0.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use format::{Digest, Hasher, StorePath, limits};

use super::compression::Compression;
use super::narinfo::{NarInfo, Reason};
use crate::source::kept::Watch;
use crate::source::nar::{self, Wire, invalid};
use crate::source::path_info::Known;
use crate::trust::content_address::{self, Naming};
use crate::trust::hash;

/// Stands behind each NAR: `NIXE`.
const MAGIC: u64 = 0x4558_494e;

/// The most bytes of a path: `/nix/store/`, the hash and a name of 211 characters.
const PATH_LEN: u64 = 256;

/// Bytes read at once.
const BUFFER_LEN: usize = 1 << 20;

/// A file of exported store paths.
pub(super) struct Export {
    file: PathBuf,
    paths: BTreeMap<StorePath, NarInfo>,
}

impl Export {
    /// Reads all of a file: what is in it, and where.
    ///
    /// # Errors
    ///
    /// The reason, if Nix writes no such file.
    pub(super) fn read(file: &Path) -> Result<Export, Reason> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string(),
        };
        let input = File::open(file).map_err(failed)?;
        let input = BufReader::with_capacity(BUFFER_LEN, input);
        Ok(Export { file: file.into(), paths: parse(input).map_err(failed)? })
    }

    /// What the file says of a store path.
    pub(super) fn narinfo(&self, path: &StorePath) -> Option<NarInfo> {
        self.paths.get(path).cloned()
    }

    /// Opens the NAR that begins at a place in the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn open(&self, place: &str, len: u64) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(place.parse().map_err(|_| io::ErrorKind::InvalidInput)?))?;
        Ok(file.take(len))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// Reads a file to its end, which bounds all that is in it.
///
/// # Errors
///
/// What `input` fails with; or [`io::ErrorKind::InvalidData`] if Nix writes no such file.
pub(crate) fn parse(mut input: impl Read) -> io::Result<BTreeMap<StorePath, NarInfo>> {
    let mut paths = BTreeMap::new();
    let mut at = 0;
    loop {
        match Wire::new(&mut input, u64::MAX).number()? {
            0 => return Ok(paths),
            1 => at += 8,
            _ => return Err(invalid("something else where a NAR should be")),
        }
        let mut watch = Watch { input: &mut input, hasher: Hasher::new() };
        let (_, nar_len) = nar::read(&mut watch, u64::MAX)?;
        let nar_hash = watch.hasher.finish();
        let start = at;
        at += nar_len;
        let mut wire = Wire::new(&mut input, u64::MAX);
        let (path, references, deriver) = description(&mut wire)?;
        at += wire.at;
        let known = Known {
            nar_hash,
            nar_len,
            content_address: address(&path, &references, nar_hash),
            references,
            deriver,
            signatures: Vec::new(),
        };
        let info = NarInfo {
            path: path.clone(),
            url: start.to_string(),
            compression: Compression::None,
            file_hash: None,
            file_len: Some(nar_len),
            known,
        };
        paths.insert(path, info);
    }
}

/// The content address of a source, which the file does not say, but the name shows; else empty.
fn address(path: &StorePath, references: &[StorePath], nar: Digest) -> String {
    let text = format!("fixed:r:{}", hash::text(&nar));
    match content_address::claimed(path, &text, references.iter(), nar) {
        Naming::Fits => text,
        Naming::Differs | Naming::Unknown => String::new(),
    }
}

/// Reads what stands behind a NAR: the path, its references and its deriver.
fn description(
    wire: &mut Wire<impl Read>,
) -> io::Result<(StorePath, Vec<StorePath>, Option<StorePath>)> {
    if wire.number()? != MAGIC {
        return Err(invalid("a NAR without its description"));
    }
    let name = path(wire)?.ok_or_else(|| invalid("a NAR without a path"))?;
    let count = wire.number()?;
    if count > limits::STORE_PATHS.into() {
        return Err(invalid("too many references"));
    }
    let mut references = Vec::new();
    for _ in 0..count {
        references.extend(path(wire)?);
    }
    let deriver = path(wire)?;
    match wire.number()? {
        0 => Ok((name, references, deriver)),
        _ => Err(invalid("a signature in an old form")),
    }
}

/// Reads a store path; an empty text is none.
fn path(wire: &mut Wire<impl Read>) -> io::Result<Option<StorePath>> {
    let text = wire.string(PATH_LEN)?;
    if text.is_empty() {
        return Ok(None);
    }
    let path = StorePath::parse_full(&text);
    path.map(Some).map_err(|_| invalid("a path that is no store path"))
}
