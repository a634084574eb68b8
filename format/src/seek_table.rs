//! The seek table: the position of each frame in the file and in the tar stream.

use alloc::vec::Vec;

use crate::error::{Error, Part};
use crate::limits;
use crate::wire::{Reader, Writer};

/// The position of a frame in the payload and in the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes from the start of the payload.
    pub offset: u64,
    /// Bytes of the compressed frame.
    pub compressed_len: u32,
    /// Bytes of the tar stream before this frame's content.
    pub start: u64,
    /// Bytes of the frame's content; 0 for the skippable frames of the manifest and the index.
    pub len: u32,
}

impl Frame {
    /// Bytes of the tar stream up to the end of this frame.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len.into())
    }
}

/// The seek table: the content of the last skippable frame, as the zstd seekable format defines it.
///
/// It lists the frames of the tar stream and then the skippable frames of the manifest and the
/// index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekTable {
    frames: Vec<Frame>,
}

/// The seek table's last 4 bytes, from the zstd seekable format.
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;

/// Bytes of one frame's row: two u32. Rows have no checksums, since the index has digests.
const ROW_LEN: usize = 8;

/// Bytes of the footer: the number of frames, the flags (none is set), the magic number.
const FOOTER_LEN: usize = 9;

impl SeekTable {
    /// The frames of the tar stream: all except the last two.
    pub fn data_frames(&self) -> &[Frame] {
        let data = self.frames.len().saturating_sub(2);
        self.frames.get(..data).unwrap_or_default()
    }

    /// Bytes of the tar stream.
    pub fn tar_len(&self) -> u64 {
        self.frames.last().map_or(0, Frame::end)
    }

    /// Appends a frame.
    ///
    /// # Errors
    ///
    /// If the frame exceeds a limit.
    pub fn push(&mut self, compressed_len: u32, len: u32) -> Result<(), Error> {
        let part = Part::SeekTable;
        if len > limits::FRAME_LEN || compressed_len > limits::COMPRESSED_FRAME_LEN {
            return Err(Error::Limit { part, what: "bytes in a frame" });
        }
        let (offset, start) = match self.frames.last() {
            Some(last) => (last.offset.checked_add(last.compressed_len.into()), last.end()),
            None => (Some(0), 0),
        };
        let offset = offset.ok_or(Error::Limit { part, what: "bytes" })?;
        self.frames.push(Frame { offset, compressed_len, start, len });
        Ok(())
    }

    /// Encodes the seek table.
    ///
    /// # Errors
    ///
    /// If it has more frames than the format allows.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let part = Part::SeekTable;
        let mut writer = Writer::default();
        for frame in &self.frames {
            writer.u32(frame.compressed_len);
            writer.u32(frame.len);
        }
        if self.frames.len() > limits::FRAMES.try_into().unwrap_or(usize::MAX) {
            return Err(Error::Limit { part, what: "frames" });
        }
        writer.count(part, "frames", self.frames.len())?;
        writer.u8(0);
        writer.u32(FOOTER_MAGIC);
        Ok(writer.bytes)
    }

    /// Decodes a seek table.
    ///
    /// # Errors
    ///
    /// If the bytes are not a seek table of a bundle, or a frame exceeds a limit.
    pub fn decode(bytes: &[u8]) -> Result<SeekTable, Error> {
        let part = Part::SeekTable;
        let rows_len = bytes.len().checked_sub(FOOTER_LEN).ok_or(Error::Length(part))?;
        let mut rows = Reader::new(part, bytes);
        let mut footer = Reader::new(part, rows.bytes(rows_len)?);
        core::mem::swap(&mut rows, &mut footer);
        let count = footer.u32()?;
        if footer.u8()? != 0 {
            return Err(footer.invalid("a flag is set"));
        }
        if footer.u32()? != FOOTER_MAGIC {
            return Err(footer.invalid("the magic number at the end is wrong"));
        }
        let count = usize::try_from(count).map_err(|_| Error::Length(part))?;
        if count.checked_mul(ROW_LEN) != Some(rows_len) {
            return Err(Error::Length(part));
        }
        if count < 2 {
            return Err(rows.invalid("the manifest and the index are missing"));
        }
        let mut table = SeekTable { frames: Vec::with_capacity(count) };
        for number in 0..count {
            let (compressed_len, len) = (rows.u32()?, rows.u32()?);
            let is_data = number < count.saturating_sub(2);
            if is_data != (len != 0) {
                return Err(rows.invalid("only the last two frames may have no content"));
            }
            table.push(compressed_len, len)?;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SeekTable {
        let mut table = SeekTable::default();
        for (compressed_len, len) in [(100, 1000), (50, 200), (30, 0), (40, 0)] {
            table.push(compressed_len, len).unwrap();
        }
        table
    }

    #[test]
    fn round_trips() {
        let decoded = SeekTable::decode(&table().encode().unwrap()).unwrap();
        assert_eq!(decoded, table());
        assert_eq!(decoded.tar_len(), 1200);
        let second = Frame { offset: 100, compressed_len: 50, start: 1000, len: 200 };
        assert_eq!(decoded.data_frames()[1], second);
        assert_eq!(decoded.data_frames().len(), 2);
    }

    #[test]
    fn damage_is_refused() {
        let good = table().encode().unwrap();
        for len in 0..good.len() {
            assert!(SeekTable::decode(&good[..len]).is_err(), "cut to {len}");
        }
        for at in good.len() - 9..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(SeekTable::decode(&bad).is_err(), "flipped {at}");
        }
    }

    #[test]
    fn huge_frame_is_refused() {
        let mut table = SeekTable::default();
        assert!(table.push(10, limits::FRAME_LEN + 1).is_err());
        assert!(table.push(limits::COMPRESSED_FRAME_LEN + 1, 10).is_err());
    }
}
