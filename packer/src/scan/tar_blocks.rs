//! A tar archive, block by block, as GNU tar reads it.
//!
//! No library reads what GNU tar does: headers of 1979 without a magic number, checksums made with signed bytes, and on
//! behind a damaged header. Here, an error would refuse a closure for a file of somebody's test suite.

use std::io::{self, Read};

/// Bytes of a block.
pub(crate) const BLOCK_LEN: usize = 512;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the content behind it.
    pub(crate) len: u64,
    kind: u8,
    /// Whether a block with more of a sparse file's map follows.
    is_continued: bool,
}

impl Header {
    /// Reads a header; `None` if the block is none.
    pub(crate) fn parse(block: &[u8]) -> Option<Header> {
        let block: &[u8; BLOCK_LEN] = block.first_chunk()?;
        let expected = octal(&block[148..156])?;
        let blank = |at: usize| (148..156).contains(&at);
        let bytes = || (0..BLOCK_LEN).map(|at| if blank(at) { b' ' } else { block[at] });
        let unsigned: u64 = bytes().map(u64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        if block[0] == 0 || expected != unsigned && i64::try_from(expected) != Ok(signed) {
            return None;
        }
        Some(Header {
            len: size(&block[124..136])?,
            kind: block[156],
            is_continued: block[156] == b'S' && block[482] == 1,
        })
    }

    /// Whether its content is the name or the attributes of the member that follows.
    pub(crate) fn is_name(self) -> bool {
        matches!(self.kind, b'L' | b'K' | b'x' | b'g' | b'N' | b'X')
    }

    /// Skips the blocks between it and its content.
    pub(crate) fn skip_map(self, input: &mut dyn Read) -> io::Result<()> {
        let mut is_continued = self.is_continued;
        let mut block = [0; BLOCK_LEN];
        while is_continued && read_block(input, &mut block)? {
            is_continued = block[504] == 1;
        }
        Ok(())
    }

    /// Bytes from its content's end to the next header.
    pub(crate) fn padding(self) -> u64 {
        self.len.next_multiple_of(BLOCK_LEN as u64) - self.len
    }
}

/// Reads the next block; `false` at the end, and if there is only a part of one.
pub(crate) fn read_block(input: &mut dyn Read, block: &mut [u8; BLOCK_LEN]) -> io::Result<bool> {
    match input.read_exact(block) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A number in octal digits, with spaces before and a space or NUL behind it.
fn octal(field: &[u8]) -> Option<u64> {
    let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
    match text {
        b"" => Some(0),
        text => u64::from_str_radix(str::from_utf8(text).ok()?, 8).ok(),
    }
}

/// A size: octal, or as GNU tar writes large ones in base 256.
fn size(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_last_chunk::<8>()?;
            high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
        }
        field => octal(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(make: impl FnOnce(&mut [u8])) -> [u8; BLOCK_LEN] {
        let mut block = [0; BLOCK_LEN];
        block[..4].copy_from_slice(b"name");
        block[124..136].copy_from_slice(b"00000000017\0");
        make(&mut block);
        block
    }

    fn with_checksum(mut block: [u8; BLOCK_LEN], sum: impl Fn(u8) -> i64) -> [u8; BLOCK_LEN] {
        block[148..156].fill(b' ');
        let sum: i64 = block.iter().map(|byte| sum(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn headers_are_read_as_gnu_tar_reads_them() {
        let unsigned = |byte: u8| i64::from(byte);
        let signed = |byte: u8| i64::from(byte.cast_signed());
        let plain = with_checksum(header(|_| ()), unsigned);
        assert_eq!(Header::parse(&plain).map(|header| header.len), Some(15));
        let odd = header(|block| block[4..6].copy_from_slice(&[0xe4, 0xf6]));
        for block in [with_checksum(odd, unsigned), with_checksum(odd, signed)] {
            assert!(Header::parse(&block).is_some());
        }
        let large =
            header(|block| block[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"));
        let large = with_checksum(large, unsigned);
        assert_eq!(Header::parse(&large).map(|header| header.len), Some(2 << 32));
        let mut damaged = plain;
        damaged[0] = b'N';
        for block in [damaged, [0; BLOCK_LEN], [b'x'; BLOCK_LEN]] {
            assert_eq!(Header::parse(&block), None);
        }
    }
}
