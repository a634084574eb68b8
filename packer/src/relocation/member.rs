//! References inside compressed files: rewriting cannot reach them.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};

use crate::content::BUFFER_LEN;
use crate::reference::{Depth, Hashes, Scanner};

/// Bytes that a compressed file may unpack to. What is larger is taken to hold a reference: nobody can say.
const LIMIT: u64 = 1 << 30;

/// Levels of compressed files in one another that are looked into: a jar in a zip, a page in a tar.gz.
const DEPTH: u32 = 2;

/// Bytes at the start of a file that tell how it is compressed.
pub(super) const MAGIC_LEN: usize = 6;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Gzip,
    Xz,
    Bzip2,
    Zstd,
    Zip,
}

impl Method {
    /// Tells the method by the file's first bytes.
    pub(super) fn of(head: &[u8]) -> Option<Method> {
        const MAGICS: [(&[u8], Method); 6] = [
            (b"\x1f\x8b\x08", Method::Gzip),
            (b"\xfd7zXZ\0", Method::Xz),
            (b"BZh", Method::Bzip2),
            (b"\x28\xb5\x2f\xfd", Method::Zstd),
            (b"PK\x03\x04", Method::Zip),
            (b"PK\x05\x06", Method::Zip),
        ];
        let is_magic = |(magic, _): &&(&[u8], Method)| head.starts_with(magic);
        MAGICS.iter().find(is_magic).map(|(_, method)| *method)
    }

    /// The name for a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Gzip => "gzip",
            Method::Xz => "xz",
            Method::Bzip2 => "bzip2",
            Method::Zstd => "zstd",
            Method::Zip => "zip",
        }
    }
}

/// Whether a compressed file holds the hash of a store path, in itself or in a compressed file in it.
///
/// # Errors
///
/// If it cannot be unpacked, or unpacks to more than a gigabyte.
pub(super) fn holds_reference(file: File, method: Method, hashes: &Hashes) -> io::Result<bool> {
    let mut search = Search { hashes, rest: LIMIT };
    match method {
        Method::Zip => search.zip(BufReader::new(file), DEPTH),
        _ => search.stream(BufReader::new(file), method, DEPTH),
    }
}

struct Search<'a> {
    hashes: &'a Hashes,
    /// Bytes that may still be unpacked.
    rest: u64,
}

impl Search<'_> {
    fn stream(&mut self, input: impl Read, method: Method, depth: u32) -> io::Result<bool> {
        match method {
            Method::Gzip => self.content(flate2::read::MultiGzDecoder::new(input), depth),
            Method::Xz => self.content(lzma_rust2::XzReader::new(input, true), depth),
            Method::Bzip2 => self.content(bzip2::read::MultiBzDecoder::new(input), depth),
            Method::Zstd => self.content(zstd::Decoder::new(input)?, depth),
            Method::Zip => {
                let mut bytes = Vec::new();
                self.take(input.take(self.rest + 1).read_to_end(&mut bytes)?)?;
                self.zip(Cursor::new(bytes), depth)
            }
        }
    }

    fn zip(&mut self, input: impl Read + io::Seek, depth: u32) -> io::Result<bool> {
        let mut archive = zip::ZipArchive::new(input)?;
        for number in 0..archive.len() {
            let member = archive.by_index(number)?;
            if self.hashes.first(member.name_raw()).is_some() || self.content(member, depth)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Searches what one level of compression holds: a file, or a tar of files.
    fn content(&mut self, mut input: impl Read, depth: u32) -> io::Result<bool> {
        let mut bytes = Vec::new();
        self.take(input.by_ref().take(self.rest + 1).read_to_end(&mut bytes)?)?;
        let mut found = false;
        let mut scanner = Scanner::new(self.hashes, Depth::Wide);
        for piece in bytes.chunks(BUFFER_LEN) {
            scanner.feed(piece, |_| found = true);
        }
        if found || depth == 1 {
            return Ok(found);
        }
        if let Some(method) = Method::of(&bytes) {
            return self.stream(&*bytes, method, depth - 1);
        }
        if bytes.get(257..262) == Some(b"ustar") {
            return self.tar(&bytes, depth);
        }
        Ok(false)
    }

    /// Looks for compressed files in a tar archive; the others were searched with the archive itself.
    fn tar(&mut self, bytes: &[u8], depth: u32) -> io::Result<bool> {
        for entry in tar::Archive::new(bytes).entries()? {
            let entry = entry?;
            let start = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
            let content = bytes.get(start..).unwrap_or_default();
            if let Some(method) = Method::of(content) {
                let len = usize::try_from(entry.size()).unwrap_or(usize::MAX);
                let content = content.get(..len).unwrap_or(content);
                if self.stream(content, method, depth - 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn take(&mut self, len: usize) -> io::Result<()> {
        self.rest = self
            .rest
            .checked_sub(len as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than a gigabyte"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::store::tests::GLIBC;

    fn hashes() -> Hashes {
        Hashes::new([format::StorePath::parse(GLIBC.as_bytes()).unwrap().hash()])
    }

    fn compress(method: Method, bytes: &[u8]) -> Vec<u8> {
        let mut compressed = Vec::new();
        match method {
            Method::Gzip => {
                let level = flate2::Compression::default();
                flate2::read::GzEncoder::new(bytes, level).read_to_end(&mut compressed).unwrap();
            }
            Method::Xz => {
                let options = lzma_rust2::XzOptions::default();
                let mut writer = lzma_rust2::XzWriter::new(&mut compressed, options).unwrap();
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
            Method::Bzip2 => {
                let level = bzip2::Compression::default();
                bzip2::read::BzEncoder::new(bytes, level).read_to_end(&mut compressed).unwrap();
            }
            Method::Zstd => compressed = zstd::encode_all(bytes, 3).unwrap(),
            Method::Zip => {
                let mut writer = zip::ZipWriter::new(Cursor::new(&mut compressed));
                let options = zip::write::SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Deflated);
                writer.start_file("member", options).unwrap();
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
        }
        compressed
    }

    fn search(bytes: &[u8]) -> io::Result<bool> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        holds_reference(file, Method::of(bytes).unwrap(), &hashes())
    }

    const METHODS: [Method; 5] =
        [Method::Gzip, Method::Xz, Method::Bzip2, Method::Zstd, Method::Zip];

    #[test]
    fn references_are_found_one_and_two_levels_deep() {
        let text = format!("prefix=/nix/store/{GLIBC}\n{}", "x".repeat(1000));
        for method in METHODS {
            let once = compress(method, text.as_bytes());
            assert!(search(&once).unwrap(), "{method:?}");
            assert!(!search(&compress(method, b"nothing here")).unwrap(), "{method:?}");
            for outer in METHODS {
                assert!(search(&compress(outer, &once)).unwrap(), "{method:?} in {outer:?}");
            }
        }
    }

    #[test]
    fn members_of_a_tar_are_looked_into() {
        let once = compress(Method::Gzip, GLIBC.as_bytes());
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(once.len() as u64);
        builder.append_data(&mut header, "share/page.gz", &*once).unwrap();
        assert!(search(&compress(Method::Xz, &builder.into_inner().unwrap())).unwrap());
    }

    #[test]
    fn damaged_files_are_an_error() {
        for method in METHODS {
            let mut bytes = compress(method, &crate::frame::tests::noise(5000));
            bytes.truncate(bytes.len() / 2);
            assert!(search(&bytes).is_err(), "{method:?}");
        }
    }
}
