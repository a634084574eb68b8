//! Reads and writes little-endian fields, one after the other.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{Error, Part};
use crate::limits;

/// Whether all bytes are zero.
///
/// It compares 16 bytes at a time: a start checks 8 KiB, which takes 2 µs byte by byte.
pub fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Reads fields from the front of a part's bytes.
pub(crate) struct Reader<'a> {
    part: Part,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(part: Part, bytes: &'a [u8]) -> Reader<'a> {
        Reader { part, rest: bytes }
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// Returns the error for a value that breaks `rule`.
    pub(crate) fn invalid(&self, rule: &'static str) -> Error {
        Error::Value { part: self.part, rule }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Error::Length(self.part))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Error::Length(self.part))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a u16 length and that many bytes.
    pub(crate) fn short(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    /// Reads a u32 count of items that take at least `item_len` bytes each.
    ///
    /// The count must not exceed `limit`, and the items must fit into the remaining bytes. So a
    /// vector with this capacity is at most a small multiple of the input's length.
    pub(crate) fn count(
        &mut self,
        limit: u32,
        item_len: usize,
        what: &'static str,
    ) -> Result<usize, Error> {
        let count = self.u32()?;
        if count > limit {
            return Err(Error::Limit { part: self.part, what });
        }
        let count = usize::try_from(count).map_err(|_| Error::Limit { part: self.part, what })?;
        match count.checked_mul(item_len) {
            Some(len) if len <= self.rest.len() => Ok(count),
            _ => Err(Error::Length(self.part)),
        }
    }

    /// Reads a list of rising numbers below `end`.
    pub(crate) fn rising(&mut self, end: usize) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::new();
        for _ in 0..self.count(limits::STORE_PATHS, 4, "references")? {
            let number = self.u32()?;
            if usize::try_from(number).is_ok_and(|number| number < end)
                && numbers.last().is_none_or(|last| *last < number)
            {
                numbers.push(number);
            } else {
                return Err(self.invalid("a reference is out of order or names no store path"));
            }
        }
        Ok(numbers)
    }

    /// Reads a u16 length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Result<String, Error> {
        let text = core::str::from_utf8(self.short()?);
        text.map(String::from).map_err(|_| self.invalid("a text is not valid UTF-8"))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// If bytes are left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Length(self.part)) }
    }
}

/// Appends fields to a part's bytes.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a u16 length and the bytes.
    pub(crate) fn short(
        &mut self,
        part: Part,
        what: &'static str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let len = u16::try_from(bytes.len()).map_err(|_| Error::Limit { part, what })?;
        self.u16(len);
        self.bytes(bytes);
        Ok(())
    }

    /// Appends a list of numbers.
    pub(crate) fn numbers(
        &mut self,
        part: Part,
        what: &'static str,
        numbers: &[u32],
    ) -> Result<(), Error> {
        self.count(part, what, numbers.len())?;
        numbers.iter().for_each(|number| self.u32(*number));
        Ok(())
    }

    /// Appends a u32 count.
    pub(crate) fn count(
        &mut self,
        part: Part,
        what: &'static str,
        count: usize,
    ) -> Result<(), Error> {
        self.u32(u32::try_from(count).map_err(|_| Error::Limit { part, what })?);
        Ok(())
    }
}
