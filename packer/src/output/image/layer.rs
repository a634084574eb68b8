//! Layers: tar streams that are compressed in pieces, on all threads.

use std::io::Write as _;
use std::num::NonZeroUsize;

use ::tar::EntryType;
use flate2::{Compression as Level, GzBuilder};
use format::{Digest, Hasher};

use super::place::{Blob, Place, Writer};
use crate::error::{Error, Result};
use crate::output::frame::FrameCache;
use crate::output::tar::{self, Layout};
use crate::parallel;
use crate::progress::Progress;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// Bytes of a stream that are compressed at once. Each piece is a gzip member or a zstd frame of its own, so all
/// processors work on a large layer, and the bytes do not depend on how many these are.
const PIECE: u64 = 4 << 20;

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip(u32),
    Zstd(i32),
    None,
}

impl Compression {
    /// The media type of a layer.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Compression::Gzip(_) => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd(_) => "application/vnd.oci.image.layer.v1.tar+zstd",
            Compression::None => "application/vnd.oci.image.layer.v1.tar",
        }
    }

    /// All that the compressed bytes depend on, beside the input.
    fn name(self) -> String {
        match self {
            // packer's version fixes that of the compressor.
            Compression::Gzip(level) => {
                format!("gzip {level} zlib-rs {}", env!("CARGO_PKG_VERSION"))
            }
            Compression::Zstd(level) => format!("zstd {level} {}", zstd_safe::version_number()),
            Compression::None => "none".to_owned(),
        }
    }

    fn compress(self, piece: &[u8]) -> Result<Vec<u8>> {
        match self {
            // Without a time and a name.
            Compression::Gzip(level) => {
                let mut encoder = GzBuilder::new().write(Vec::new(), Level::new(level));
                // Writing to memory cannot fail.
                let done = encoder.write_all(piece).and_then(|()| encoder.finish());
                Ok(done.unwrap_or_default())
            }
            Compression::Zstd(level) => {
                let failed = |code| Error::Zstd { message: zstd_safe::get_error_name(code) };
                let mut output = Vec::with_capacity(zstd_safe::compress_bound(piece.len()));
                zstd_safe::compress(&mut output, piece, level).map_err(failed)?;
                Ok(output)
            }
            Compression::None => Ok(piece.to_vec()),
        }
    }
}

/// A layer that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) blob: Blob,
    /// The digest of the tar stream, which the configuration names.
    pub(crate) diff_id: Digest,
}

/// How to write an image.
pub(crate) struct Options {
    pub(crate) compression: Compression,
    pub(crate) threads: NonZeroUsize,
    pub(crate) cache: FrameCache,
}

/// Entries in front of a layer's store paths.
#[derive(Debug, Default)]
pub(crate) struct Front(Vec<u8>);

impl Front {
    /// Adds a directory.
    pub(crate) fn directory(&mut self, name: &str, permissions: u32) {
        let name = format!("{name}/");
        self.0.extend(tar::entry(EntryType::Directory, name.as_bytes(), b"", permissions, 0));
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, name: &str, text: &str) {
        let len = text.len() as u64;
        self.0.extend(tar::entry(EntryType::Regular, name.as_bytes(), b"", 0o644, len));
        self.0.extend(text.as_bytes());
        let whole = self.0.len().next_multiple_of(512);
        self.0.resize(whole, 0);
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, name: &[u8], target: &[u8]) {
        self.0.extend(tar::entry(EntryType::Symlink, name, target, 0o777, 0));
    }

    /// The bytes of the stream.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Writes the layers.
///
/// # Errors
///
/// If a file cannot be read, or a blob cannot be written.
pub(super) fn write(
    place: &mut Place,
    (store, tree): (&Store, &Tree),
    layers: &[Layout],
    options: &Options,
    progress: &Progress,
) -> Result<Vec<Written>> {
    let pieces: Vec<(usize, u64)> = (0..layers.len())
        .flat_map(|layer| {
            let count = layers[layer].len().div_ceil(PIECE);
            (0..count).map(move |piece| (layer, piece * PIECE))
        })
        .collect();
    let compress = |number: usize| {
        let (layer, start) = pieces[number];
        let len = (layers[layer].len() - start).min(PIECE);
        let mut piece = vec![0; usize::try_from(len).unwrap_or(0)];
        layers[layer].fill(store, tree, start, &mut piece)?;
        let key = || key(options.compression, &piece);
        let compressed = match options.compression {
            Compression::None => piece.clone(),
            compression => options.cache.get(key, || compression.compress(&piece))?,
        };
        Ok((layer, piece, compressed))
    };
    let mut written = Vec::with_capacity(layers.len());
    let mut open: Option<(usize, Writer, Hasher)> = None;
    parallel::in_order(options.threads, pieces.len(), compress, |(layer, piece, compressed)| {
        if let Some((_, writer, diff_id)) = open.take_if(|(number, ..)| *number != layer) {
            written.push(Written { blob: place.end(writer)?, diff_id: diff_id.finish() });
        }
        let (_, writer, diff_id) = match &mut open {
            Some(open) => open,
            none => none.insert((layer, place.begin()?, Hasher::new())),
        };
        diff_id.update(&piece);
        place.append(writer, &compressed)?;
        progress.advance(piece.len());
        Ok(())
    })?;
    if let Some((_, writer, diff_id)) = open {
        written.push(Written { blob: place.end(writer)?, diff_id: diff_id.finish() });
    }
    Ok(written)
}

/// The key of a compressed piece in the cache.
fn key(compression: Compression, piece: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"packer layer 1\n");
    hasher.update(compression.name().as_bytes());
    hasher.update(&Digest::of(piece).0);
    hasher.finish()
}
