//! References inside compressed files: rewriting cannot reach them.

use std::cell::Cell;
use std::io::{self, BufReader, Read, Seek};

use crate::source::reader::BUFFER_LEN;
use crate::source::reference::{Depth, Hashes, Scanner};

/// Bytes that a compressed file may unpack to. What is larger is taken to hold a reference: nobody can say.
pub(crate) const LIMIT: u64 = 1 << 30;

/// Levels of compressed files in one another that are looked into, such as a class in a jar in a zip. What
/// lies deeper is taken to hold a reference.
const DEPTH: u32 = 4;

/// KiB of memory for one xz file: four times what `xz -9` asks for.
const XZ_MEMORY: u32 = 256 << 10;

/// Bytes of a zip inside of another file that are kept in memory; a larger one goes to a temporary file.
const ZIP_MEMORY: usize = 16 << 20;

/// Bytes at the start of a file that tell how it is compressed: the last are those of tar.
pub(crate) const HEAD_LEN: usize = 262;

/// Bytes at the end of a file that tell whether it is a zip: its last record and the longest comment.
pub(crate) const TAIL_LEN: usize = ZIP_END_LEN + 0xffff;

/// Bytes of a zip's last record, without the comment.
const ZIP_END_LEN: usize = 22;

/// How a file is compressed, or that it is an archive of files that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Gzip,
    Xz,
    Bzip2,
    Zstd,
    Zip,
    Tar,
}

impl Method {
    /// Tells the method by the file's first and last bytes.
    ///
    /// A zip is one by its end: in front of it there may be a script that runs it.
    pub(crate) fn of(head: &[u8], tail: &[u8]) -> Option<Method> {
        const MAGICS: [(usize, &[u8], Method); 7] = [
            (0, b"\x1f\x8b\x08", Method::Gzip),
            (0, b"\xfd7zXZ\0", Method::Xz),
            (0, b"BZh", Method::Bzip2),
            (0, b"\x28\xb5\x2f\xfd", Method::Zstd),
            // A frame to skip, as pzstd puts before each other one.
            (1, b"\x2a\x4d\x18", Method::Zstd),
            (0, b"PK\x03\x04", Method::Zip),
            (257, b"ustar", Method::Tar),
        ];
        let is_magic = |(at, magic, _): &&(usize, &[u8], Method)| {
            head.get(*at..).is_some_and(|head| head.starts_with(magic))
        };
        let by_head = MAGICS.iter().find(is_magic).map(|(.., method)| *method);
        by_head.or_else(|| ends_zip(tail).then_some(Method::Zip))
    }

    /// The name for a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Gzip => "gzip",
            Method::Xz => "xz",
            Method::Bzip2 => "bzip2",
            Method::Zstd => "zstd",
            Method::Zip => "zip",
            Method::Tar => "tar",
        }
    }
}

/// Whether the last bytes of a file are a zip's last record, with a comment of just the length it tells.
fn ends_zip(tail: &[u8]) -> bool {
    let comment_len = |record: &[u8]| usize::from(u16::from_le_bytes([record[20], record[21]]));
    tail.windows(ZIP_END_LEN).enumerate().any(|(at, record)| {
        record.starts_with(b"PK\x05\x06") && at + ZIP_END_LEN + comment_len(record) == tail.len()
    })
}

/// Whether a compressed file holds the hash of a store path, in itself or in a compressed file in it; or an
/// archive in a name or in a compressed file.
///
/// # Errors
///
/// If it cannot be unpacked, unpacks to more than `limit` bytes, or is too deep.
pub(crate) fn holds_reference(
    file: impl Read + Seek,
    method: Method,
    hashes: &Hashes,
    limit: u64,
) -> io::Result<bool> {
    Search { hashes, rest: Cell::new(limit), found: Cell::new(false) }.run(file, method)
}

struct Search<'a> {
    hashes: &'a Hashes,
    /// Bytes that may still be unpacked.
    rest: Cell<u64>,
    found: Cell<bool>,
}

impl Search<'_> {
    fn run(&self, file: impl Read + Seek, method: Method) -> io::Result<bool> {
        let mut file = BufReader::new(file);
        let result = match method {
            // It is read from its end, without a copy.
            Method::Zip => self.zip(file, DEPTH - 1),
            _ => self.open(&mut file, method, DEPTH - 1),
        };
        // What is found ends the search with an error.
        if self.found.get() { Ok(true) } else { result.map(|()| false) }
    }

    /// Searches a compressed file, and compressed files in it, `depth` levels down.
    fn open(&self, input: &mut dyn Read, method: Method, depth: u32) -> io::Result<()> {
        match method {
            Method::Gzip => self.content(flate2::read::MultiGzDecoder::new(input), depth),
            Method::Xz => {
                self.content(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY), depth)
            }
            Method::Bzip2 => self.content(bzip2::read::MultiBzDecoder::new(input), depth),
            Method::Zstd => self.content(zstd::Decoder::new(input)?, depth),
            Method::Zip => {
                let mut file = tempfile::spooled_tempfile(ZIP_MEMORY);
                io::copy(input, &mut file)?;
                self.zip(file, depth)
            }
            Method::Tar => self.tar(input, depth),
        }
    }

    fn zip(&self, input: impl Read + Seek, depth: u32) -> io::Result<()> {
        let mut archive = zip::ZipArchive::new(input)?;
        for number in 0..archive.len() {
            let member = archive.by_index(number)?;
            self.name(member.name_raw())?;
            self.content(member, depth)?;
        }
        Ok(())
    }

    /// Looks at the names in a tar archive, and for compressed files; the others are searched as a part of
    /// the archive.
    fn tar(&self, input: &mut dyn Read, depth: u32) -> io::Result<()> {
        for entry in tar::Archive::new(input).entries()? {
            let mut entry = entry?;
            self.name(&entry.path_bytes())?;
            self.name(&entry.link_name_bytes().unwrap_or_default())?;
            let (method, mut entry) = peek(&mut entry)?;
            if let Some(method) = method.filter(|method| *method != Method::Tar) {
                self.open(&mut entry, method, depth)?;
            }
        }
        Ok(())
    }

    /// Searches what one level of compression holds.
    fn content(&self, input: impl Read, depth: u32) -> io::Result<()> {
        let scanner = Scanner::new(self.hashes, Depth::Wide);
        let mut input =
            BufReader::with_capacity(BUFFER_LEN, Searched { input, search: self, scanner });
        let (method, mut input) = peek(&mut input)?;
        if let Some(method) = method {
            let depth = depth.checked_sub(1);
            let too_deep = || io::Error::other("too many compressed files in one another");
            self.open(&mut input, method, depth.ok_or_else(too_deep)?)?;
        }
        io::copy(&mut input, &mut io::sink()).map(|_| ())
    }

    fn name(&self, name: &[u8]) -> io::Result<()> {
        if self.hashes.first(name).is_some() { self.end() } else { Ok(()) }
    }

    /// Ends the search: something was found.
    fn end(&self) -> io::Result<()> {
        self.found.set(true);
        Err(io::Error::other("a reference"))
    }
}

/// Looks at the first bytes; returns all of them again.
fn peek(input: &mut dyn Read) -> io::Result<(Option<Method>, impl Read)> {
    let mut head = Vec::new();
    input.take(HEAD_LEN as u64).read_to_end(&mut head)?;
    Ok((Method::of(&head, &[]), io::Cursor::new(head).chain(input)))
}

/// Searches all that is read from it.
struct Searched<'a, R> {
    input: R,
    search: &'a Search<'a>,
    scanner: Scanner<'a>,
}

impl<R: Read> Read for Searched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        let rest = self.search.rest.get().checked_sub(len as u64);
        let rest = rest.ok_or_else(|| io::Error::other("it unpacks to more than a gigabyte"))?;
        self.search.rest.set(rest);
        let mut found = false;
        self.scanner.feed(&buffer[..len], |_| found = true);
        if found {
            self.search.end()?;
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::source::store::tests::GLIBC;

    const METHODS: [Method; 6] =
        [Method::Gzip, Method::Xz, Method::Bzip2, Method::Zstd, Method::Zip, Method::Tar];

    fn text() -> Vec<u8> {
        format!("prefix=/nix/store/{GLIBC}\n{}", "x".repeat(1000)).into()
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
            Method::Zip => compressed = zip(bytes, zip::CompressionMethod::Deflated, ""),
            Method::Tar => compressed = tar("member", bytes),
        }
        compressed
    }

    fn zip(bytes: &[u8], method: zip::CompressionMethod, comment: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.set_comment(comment).unwrap();
        writer
            .start_file("member", SimpleFileOptions::default().compression_method(method))
            .unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
        builder.into_inner().unwrap()
    }

    fn search_up_to(limit: u64, bytes: &[u8]) -> io::Result<bool> {
        let hashes = Hashes::new([format::StorePath::parse(GLIBC.as_bytes()).unwrap().hash()]);
        let method = Method::of(bytes, &bytes[bytes.len().saturating_sub(TAIL_LEN)..]).unwrap();
        holds_reference(Cursor::new(bytes), method, &hashes, limit)
    }

    fn search(bytes: &[u8]) -> io::Result<bool> {
        search_up_to(1 << 20, bytes)
    }

    #[test]
    fn references_are_found_in_what_is_inside() {
        for method in METHODS {
            let once = compress(method, &text());
            // What a tar holds as it is, stands in the file itself.
            assert_eq!(search(&once).unwrap(), method != Method::Tar, "{method:?}");
            assert!(!search(&compress(method, b"nothing here")).unwrap(), "{method:?}");
            for outer in
                METHODS.into_iter().filter(|outer| (*outer, method) != (Method::Tar, Method::Tar))
            {
                assert!(search(&compress(outer, &once)).unwrap(), "{method:?} in {outer:?}");
            }
        }
    }

    #[test]
    fn what_lies_too_deep_is_refused() {
        let mut bytes = b"nothing here".to_vec();
        for _ in 0..DEPTH {
            bytes = compress(Method::Gzip, &bytes);
            assert!(!search(&bytes).unwrap());
        }
        assert!(search(&compress(Method::Gzip, &bytes)).is_err());
    }

    #[test]
    fn files_behind_one_another_are_all_looked_into() {
        for method in [Method::Gzip, Method::Xz, Method::Bzip2, Method::Zstd] {
            let first = compress(method, b"nothing here");
            let both = [first.as_slice(), &compress(method, &text())].concat();
            assert!(search(&both).unwrap(), "{method:?}");
            assert!(!search(&[first.as_slice(), &first].concat()).unwrap(), "{method:?}");
        }
        let skipped = [&b"\x50\x2a\x4d\x18\x01\0\0\0x"[..], &compress(Method::Zstd, &text())];
        assert!(search(&skipped.concat()).unwrap());
    }

    #[test]
    fn archives_are_looked_into() {
        use zip::CompressionMethod::{Bzip2, Deflated, Stored, Xz, Zstd};
        for method in [Stored, Deflated, Bzip2, Zstd, Xz] {
            let zip = zip(&text(), method, "a comment");
            assert!(search(&zip).unwrap(), "{method}");
            // A program that runs its own archive, as zipapp makes it.
            let program = [&b"#!/usr/bin/env python3\n"[..], &zip].concat();
            assert!(search(&program).unwrap(), "{method}");
        }
        let page = compress(Method::Gzip, &text());
        assert!(search(&compress(Method::Xz, &tar("share/page.gz", &page))).unwrap());
        assert!(search(&tar("share/page.gz", &page)).unwrap());
        assert!(search(&tar(&format!("./nix/store/{GLIBC}/bin/sh"), b"")).unwrap());
    }

    #[test]
    fn other_files_are_no_archives() {
        let end = zip(b"", zip::CompressionMethod::Stored, "");
        let behind = [&end[..], b"more"].concat();
        for bytes in [&b""[..], b"PK\x05\x06", &behind[1..], b"BZ", &[b'x'; 300]] {
            assert_eq!(Method::of(bytes, bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn bombs_are_not_unpacked() {
        const LEN: u32 = 1 << 18;
        let zeros = vec![0; LEN.try_into().unwrap()];
        for method in METHODS.into_iter().filter(|method| *method != Method::Tar) {
            let bomb = compress(method, &zeros);
            for bomb in [compress(Method::Gzip, &bomb), compress(Method::Zip, &bomb), bomb] {
                assert!(!search_up_to(2 * u64::from(LEN), &bomb).unwrap(), "{method:?}");
                let error = search_up_to(u64::from(LEN) - 1, &bomb).unwrap_err().to_string();
                assert_eq!(error, "it unpacks to more than a gigabyte", "{method:?}");
            }
        }
    }

    #[test]
    fn damaged_files_are_an_error() {
        for method in METHODS {
            let mut bytes = compress(method, &crate::output::frame::tests::noise(5000));
            bytes.truncate(bytes.len() / 2);
            // A zip that is cut has no end.
            assert!(search(&bytes).is_err(), "{method:?}");
        }
    }
}
