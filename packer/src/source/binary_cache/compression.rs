//! How binary caches compress NARs.

use std::io::{self, Read};

use super::narinfo::Reason;

/// KiB of memory for xz: four times what `xz -9` asks for.
const XZ_MEMORY: u32 = 256 << 10;

/// The largest window of zstd, as a power of two: 128 MiB, what `zstd --ultra -22` asks for.
const ZSTD_WINDOW: u32 = 27;

/// Bytes that brotli's decoder reads at once.
const BUFFER_LEN: usize = 64 << 10;

/// A compression of NARs, by the names of Nix's setting `compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Xz,
    Zstd,
    Bzip2,
    Gzip,
    Brotli,
}

impl Compression {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// If packer does not know it: nothing is fetched then.
    pub(super) fn parse(name: &str) -> Result<Compression, Reason> {
        match name {
            "none" => Ok(Compression::None),
            "xz" => Ok(Compression::Xz),
            "zstd" => Ok(Compression::Zstd),
            "bzip2" => Ok(Compression::Bzip2),
            "gzip" => Ok(Compression::Gzip),
            "br" => Ok(Compression::Brotli),
            name => Err(format!("its compression {} is not known", crate::show::text(name))),
        }
    }

    /// Parses the header `Content-Encoding`: a server may compress more.
    pub(super) fn of_encoding(name: &str) -> Option<Compression> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Compression::None),
            "x-gzip" => Some(Compression::Gzip),
            name => Compression::parse(name).ok(),
        }
    }

    /// Decompresses what `input` has.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub(super) fn decoder<'a>(self, input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(input),
            Compression::Xz => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY))
            }
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::new(input)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(input)),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Compression::Brotli => {
                Box::new(brotli_decompressor::Decompressor::new(input, BUFFER_LEN))
            }
        })
    }
}
