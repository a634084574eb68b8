//! References inside compressed files: rewriting cannot reach them.

use std::cell::Cell;
use std::io::{self, BufReader, Read, Seek};

use super::tar_blocks::{self, Header};
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

/// Bytes at the start of a file that tell how it is compressed: a tar archive's first header.
pub(crate) const HEAD_LEN: usize = tar_blocks::BLOCK_LEN;

/// Bytes at the end of a file that tell whether it is a zip: its last record and the longest comment.
pub(crate) const TAIL_LEN: usize = ZIP_END_LEN + 0xffff;

/// Bytes that are read at once of what may be a stream: mostly it is none.
const STREAM_BUFFER_LEN: usize = 1 << 10;

/// Bytes of LLVM's code that are searched.
const BITCODE_LIMIT: u64 = 256 << 20;

/// Bytes of a name, or of an image's text, that are looked at.
const NAME_LIMIT: u64 = 1 << 20;

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
    /// A static library, or a Debian package.
    Ar,
    Cpio,
    /// Its text can be compressed.
    Png,
    /// A zlib stream; no file is one as a whole.
    Zlib,
    /// Code of LLVM, which packs text by bits.
    Bitcode,
}

impl Method {
    /// Tells the method by the file's first and last bytes.
    ///
    /// A zip is one by its end: in front of it there may be a script that runs it.
    pub(crate) fn of(head: &[u8], tail: &[u8]) -> Option<Method> {
        const MAGICS: [(usize, &[u8], Method); 11] = [
            (0, b"\x1f\x8b\x08", Method::Gzip),
            (0, b"\xfd7zXZ\0", Method::Xz),
            (0, b"BZh", Method::Bzip2),
            (0, b"\x28\xb5\x2f\xfd", Method::Zstd),
            // A frame to skip, as pzstd puts before each other one.
            (1, b"\x2a\x4d\x18", Method::Zstd),
            (0, b"PK\x03\x04", Method::Zip),
            (0, b"!<arch>\n", Method::Ar),
            (0, b"070701", Method::Cpio),
            (0, b"070702", Method::Cpio),
            (0, PNG_MAGIC, Method::Png),
            (0, b"BC\xc0\xde", Method::Bitcode),
        ];
        let is_magic = |(at, magic, _): &&(usize, &[u8], Method)| {
            head.get(*at..).is_some_and(|head| head.starts_with(magic))
        };
        let by_head = MAGICS.iter().find(is_magic).map(|(.., method)| *method);
        by_head
            .or_else(|| Header::parse(head).map(|_| Method::Tar))
            .or_else(|| ends_zip(tail).then_some(Method::Zip))
    }

    /// Whether bytes in such a file are under a checksum, even where they stand as they are.
    pub(super) fn is_compressed(self) -> bool {
        !matches!(self, Method::Tar | Method::Ar | Method::Cpio | Method::Png | Method::Bitcode)
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
            Method::Ar => "ar",
            Method::Cpio => "cpio",
            Method::Png => "PNG",
            Method::Zlib => "zlib",
            Method::Bitcode => "bitcode",
        }
    }
}

/// A PNG's first bytes.
const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether the last bytes of a file are a zip's last record, with a comment of just the length it tells.
fn ends_zip(tail: &[u8]) -> bool {
    let comment_len = |record: &[u8]| usize::from(u16::from_le_bytes([record[20], record[21]]));
    tail.windows(ZIP_END_LEN).enumerate().any(|(at, record)| {
        record.starts_with(b"PK\x05\x06") && at + ZIP_END_LEN + comment_len(record) == tail.len()
    })
}

/// Whether a file holds the hash of a store path where rewriting cannot reach it: in a compressed file, in a name in an
/// archive, or in a compressed file in it.
///
/// # Errors
///
/// If it is damaged ([`is_damage`]), unpacks to more than `limit` bytes, is too deep, or is encrypted.
pub(crate) fn holds_reference(
    file: impl Read + Seek,
    method: Method,
    hashes: &Hashes,
    limit: u64,
) -> io::Result<bool> {
    Search::new(hashes, limit).run(file, method)
}

/// Searches a stream in the middle of a file; returns whether it holds a hash, and the stream's length if that is known.
/// `rest` is what may still be unpacked.
///
/// # Errors
///
/// If it unpacks to more than `rest`, or is too deep. What a decoder refuses is no stream: its first bytes stand in
/// programs and data, too.
pub(crate) fn stream_holds_reference(
    input: impl Read,
    method: Method,
    hashes: &Hashes,
    rest: &Cell<u64>,
) -> io::Result<(bool, u64)> {
    let search = Search::new(hashes, rest.get());
    let mut input = BufReader::with_capacity(STREAM_BUFFER_LEN, input);
    let mut len = 0;
    let result = match method {
        Method::Zlib => {
            let mut decoder = flate2::bufread::ZlibDecoder::new(input);
            let result = search.content(&mut decoder, DEPTH - 1);
            len = decoder.total_in();
            result
        }
        _ => search.open(&mut input, method, DEPTH - 1),
    };
    rest.set(search.rest.get());
    match result {
        _ if search.found.get() => Ok((true, len)),
        Ok(()) => Ok((false, len)),
        Err(error) if search.gave_up.get() => Err(error),
        Err(_) => Ok((false, 0)),
    }
}

/// Whether an error says that the file is damaged: then nobody else can read further, either.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

struct Search<'a> {
    hashes: &'a Hashes,
    /// Bytes that may still be unpacked.
    rest: Cell<u64>,
    found: Cell<bool>,
    /// Whether the search ended at one of its own limits.
    gave_up: Cell<bool>,
}

impl Search<'_> {
    fn new(hashes: &Hashes, limit: u64) -> Search<'_> {
        let (found, gave_up) = (Cell::new(false), Cell::new(false));
        Search { hashes, rest: Cell::new(limit), found, gave_up }
    }

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
            Method::Ar => self.ar(input, depth),
            Method::Cpio => self.cpio(input, depth),
            Method::Png => self.png(input, depth),
            Method::Zlib => self.content(flate2::read::ZlibDecoder::new(input), depth),
            Method::Bitcode => self.bitcode(input),
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

    /// Looks at the headers of a tar archive, and for compressed files; what else is in it is searched as a part of the
    /// archive.
    fn tar(&self, input: &mut dyn Read, depth: u32) -> io::Result<()> {
        let mut block = [0; tar_blocks::BLOCK_LEN];
        while tar_blocks::read_block(input, &mut block)? {
            let Some(header) = Header::parse(&block) else { continue };
            // Its checksum is over the name.
            self.name(&block)?;
            header.skip_map(input)?;
            let mut member = input.take(header.len);
            if header.is_name() {
                let mut name = Vec::new();
                (&mut member).take(NAME_LIMIT).read_to_end(&mut name)?;
                self.name(&name)?;
            }
            self.member(&mut member, depth)?;
            io::copy(&mut input.take(header.padding()), &mut io::sink())?;
        }
        Ok(())
    }

    /// Looks into the members of an ar archive: a header of 60 bytes, and the content up to an even length.
    fn ar(&self, input: &mut dyn Read, depth: u32) -> io::Result<()> {
        let mut magic = [0; 8];
        input.read_exact(&mut magic)?;
        let mut header = [0; 60];
        while input.read_exact(&mut header).is_ok() {
            let len = number(&header[48..58], 10)?;
            self.member(&mut input.take(len), depth)?;
            io::copy(&mut input.take(len % 2), &mut io::sink())?;
        }
        Ok(())
    }

    /// Looks at the names in a cpio archive (its "new ASCII" format), and into its members.
    fn cpio(&self, input: &mut dyn Read, depth: u32) -> io::Result<()> {
        let mut header = [0; 110];
        while input.read_exact(&mut header).is_ok() {
            if !header.starts_with(b"07070") {
                return Err(damage("a cpio header"));
            }
            let (len, name_len) = (number(&header[54..62], 16)?, number(&header[94..102], 16)?);
            let padding = |len: u64| len.next_multiple_of(4) - len;
            let mut name = Vec::new();
            input.take(name_len.min(NAME_LIMIT)).read_to_end(&mut name)?;
            self.name(&name)?;
            if name.starts_with(b"TRAILER!!!") {
                break;
            }
            let between = padding(header.len() as u64 + name_len);
            io::copy(&mut input.take(between), &mut io::sink())?;
            self.member(&mut input.take(len), depth)?;
            io::copy(&mut input.take(padding(len)), &mut io::sink())?;
        }
        Ok(())
    }

    /// Looks into the compressed text of a PNG: chunks of a length, a type, the content and a checksum.
    fn png(&self, input: &mut dyn Read, depth: u32) -> io::Result<()> {
        let mut magic = [0; PNG_MAGIC.len()];
        input.read_exact(&mut magic)?;
        let mut header = [0; 8];
        while input.read_exact(&mut header).is_ok() {
            let [a, b, c, d, kind @ ..] = header;
            let mut chunk = input.take(u32::from_be_bytes([a, b, c, d]).into());
            if [b"zTXt", b"iTXt", b"iCCP"].contains(&&kind) {
                let mut text = Vec::new();
                (&mut chunk).take(NAME_LIMIT).read_to_end(&mut text)?;
                if let Some(data) = compressed_text(kind, &text) {
                    self.content(flate2::read::ZlibDecoder::new(data), depth)?;
                }
            }
            io::copy(&mut chunk, &mut io::sink())?;
            io::copy(&mut input.take(4), &mut io::sink())?;
        }
        Ok(())
    }

    /// Searches code of LLVM. It is a stream of bits, in which text has 7 or 8 of them a character, and begins anywhere.
    fn bitcode(&self, input: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        input.take(BITCODE_LIMIT).read_to_end(&mut bytes)?;
        let bits = |at: usize, count: usize| {
            let word = bytes
                .get(at / 8..)
                .map_or(0, |rest| u16::from_le_bytes([rest[0], rest.get(1).copied().unwrap_or(0)]));
            u8::try_from((word >> (at % 8)) & ((1 << count) - 1)).unwrap_or(0)
        };
        for count in [7, 8] {
            for start in 0..count {
                let text: Vec<u8> = (start..(bytes.len() * 8).saturating_sub(count))
                    .step_by(count)
                    .map(|at| bits(at, count))
                    .collect();
                // Whole bytes were searched already.
                if (count, start) != (8, 0) {
                    self.name(&text)?;
                }
            }
        }
        Ok(())
    }

    /// Looks into a member of an archive if it is compressed or an archive itself, and reads it to its end.
    fn member(&self, member: &mut dyn Read, depth: u32) -> io::Result<()> {
        let (method, mut member) = peek(member)?;
        if let Some(method) = method {
            self.deeper(&mut member, method, depth)?;
        }
        io::copy(&mut member, &mut io::sink()).map(|_| ())
    }

    fn deeper(&self, input: &mut dyn Read, method: Method, depth: u32) -> io::Result<()> {
        let too_deep = || self.give_up("nested more than four levels deep");
        self.open(input, method, depth.checked_sub(1).ok_or_else(too_deep)?)
    }

    /// Searches what one level of compression holds.
    fn content(&self, input: impl Read, depth: u32) -> io::Result<()> {
        let scanner = Scanner::new(self.hashes, Depth::Wide);
        let mut input =
            BufReader::with_capacity(BUFFER_LEN, Searched { input, search: self, scanner });
        let (method, mut input) = peek(&mut input)?;
        if let Some(method) = method {
            self.deeper(&mut input, method, depth)?;
        }
        io::copy(&mut input, &mut io::sink()).map(|_| ())
    }

    fn name(&self, name: &[u8]) -> io::Result<()> {
        if self.hashes.first(name).is_some() { self.end() } else { Ok(()) }
    }

    fn give_up(&self, why: &str) -> io::Error {
        self.gave_up.set(true);
        io::Error::other(why)
    }

    /// Ends the search: something was found.
    fn end(&self) -> io::Result<()> {
        self.found.set(true);
        Err(io::Error::other("a reference"))
    }
}

/// The zlib stream in a PNG's chunk: behind a keyword and the method; in iTXt behind a flag, the method, a language and
/// a keyword in it.
fn compressed_text(kind: [u8; 4], chunk: &[u8]) -> Option<&[u8]> {
    let behind_string = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == 0).map(|at| at + 1);
    let rest = &chunk[behind_string(chunk)?..];
    match (kind, rest) {
        ([b'i', b'T', ..], [1, _method, rest @ ..]) => {
            let rest = &rest[behind_string(rest)?..];
            Some(&rest[behind_string(rest)?..])
        }
        ([b'i', b'T', ..], _) => None,
        (_, [_method, rest @ ..]) => Some(rest),
        _ => None,
    }
}

/// A number in a header of text.
fn number(field: &[u8], radix: u32) -> io::Result<u64> {
    let text = str::from_utf8(field).map(str::trim).unwrap_or_default();
    u64::from_str_radix(text, radix).map_err(|_| damage("a header"))
}

fn damage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is damaged"))
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
        let rest = rest.ok_or_else(|| self.search.give_up("it unpacks to more than a gigabyte"))?;
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
            _ => unreachable!("they are made by hand"),
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
        for method in METHODS.into_iter().filter(|method| *method != Method::Tar) {
            let mut bytes = compress(method, &crate::output::frame::tests::noise(5000));
            bytes.truncate(bytes.len() / 2);
            // A zip that is cut has no end.
            assert!(is_damage(&search(&bytes).unwrap_err()), "{method:?}");
        }
    }

    #[test]
    fn a_damaged_header_does_not_end_a_tar_archive() {
        let page = compress(Method::Gzip, &text());
        let mut two = tar("first", b"nothing here");
        two.truncate(2 * tar_blocks::BLOCK_LEN);
        two.extend(tar("page.gz", &page));
        assert!(search(&two).unwrap());
        // Its second header; the first tells that it is an archive.
        two[2 * tar_blocks::BLOCK_LEN] ^= 1;
        assert!(!search(&two).unwrap(), "what stands behind a damaged header belongs to nobody");
        two.extend(tar("page.gz", &page));
        assert!(search(&two).unwrap(), "the archive goes on behind it");
    }

    #[test]
    fn tars_in_tars_are_under_their_headers_checksums() {
        let inner = tar(&format!("nix/store/{GLIBC}/bin/sh"), b"");
        assert!(search(&tar("inner.tar", &inner)).unwrap());
        assert!(!search(&tar("inner.tar", &tar("name", &text()))).unwrap());
        // Without a magic number, as tar wrote them in 1979.
        let mut old = tar::Header::new_old();
        old.set_path("page.gz").unwrap();
        let page = compress(Method::Gzip, &text());
        old.set_size(page.len() as u64);
        old.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&old, page.as_slice()).unwrap();
        assert!(search(&builder.into_inner().unwrap()).unwrap());
    }

    #[test]
    fn archives_without_compression_are_looked_into() {
        let page = compress(Method::Xz, &text());
        let ar = |content: &[u8]| {
            let header = format!(
                "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                "member",
                0,
                0,
                0,
                644,
                content.len()
            );
            [b"!<arch>\n", header.as_bytes(), content, b"\n"].concat()
        };
        let cpio = |name: &str, content: &[u8]| {
            let number = |number: usize| format!("{number:08x}");
            let fields =
                [0, 0, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0].map(number);
            let mut bytes = format!("070701{}{name}\0", fields.concat()).into_bytes();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        assert!(search(&ar(&page)).unwrap());
        assert!(!search(&ar(&text())).unwrap(), "it stands there as it is");
        assert!(search(&cpio("member", &page)).unwrap());
        assert!(search(&cpio(&format!("nix/store/{GLIBC}"), b"")).unwrap());
        assert!(!search(&cpio("member", &text())).unwrap());
        // What dpkg-deb makes.
        assert!(search(&ar(&compress(Method::Zstd, &tar("usr/bin/x", &text())))).unwrap());
    }

    #[test]
    fn compressed_text_of_images_is_looked_into() {
        let mut zlib = Vec::new();
        let level = flate2::Compression::default();
        flate2::read::ZlibEncoder::new(&text()[..], level).read_to_end(&mut zlib).unwrap();
        let png = |kind: &[u8; 4], content: &[u8]| {
            let len = u32::try_from(content.len()).unwrap().to_be_bytes();
            [PNG_MAGIC, &len, kind, content, &[0; 4]].concat()
        };
        let cases: [(&[u8; 4], Vec<u8>, bool); 5] = [
            (b"zTXt", [b"Software\0\0", zlib.as_slice()].concat(), true),
            (b"iTXt", [b"Software\0\x01\0en\0\0", zlib.as_slice()].concat(), true),
            (b"iTXt", [b"Software\0\0\0en\0\0", text().as_slice()].concat(), false),
            (b"tEXt", [b"Software\0", text().as_slice()].concat(), false),
            (b"IDAT", zlib.clone(), false),
        ];
        for (kind, content, expected) in cases {
            assert_eq!(search(&png(kind, &content)).unwrap(), expected, "{}", kind.escape_ascii());
        }
    }
}
