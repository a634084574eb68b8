//! A blob to push: a part of a file, or a few bytes, with its digest.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use format::{Digest, Hasher};
use serde::{Deserialize, Serialize};

/// Bytes read at once.
const BUFFER_LEN: usize = 1 << 20;

/// The digest of a blob or manifest: `sha256:` and 64 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct BlobDigest(Digest);

impl BlobDigest {
    /// The only algorithm that every registry has to know.
    pub(crate) const PREFIX: &str = "sha256:";

    /// Computes the digest of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> BlobDigest {
        BlobDigest(Digest::of(bytes))
    }

    /// The 64 digits.
    pub(crate) fn digits(self) -> String {
        self.0.to_string()
    }
}

impl From<Digest> for BlobDigest {
    fn from(digest: Digest) -> BlobDigest {
        BlobDigest(digest)
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl From<BlobDigest> for String {
    fn from(digest: BlobDigest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for BlobDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<BlobDigest, &'static str> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or("a digest is not a sha256")?.as_bytes();
        let mut bytes = [0; 32];
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        if digits.len() != 2 * bytes.len() {
            return Err("a digest does not have 64 digits");
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (value(pair[0]), value(pair[1]));
            *byte = high
                .zip(low)
                .map(|(high, low)| high << 4 | low)
                .ok_or("a digest has other characters than 0-9a-f")?;
        }
        Ok(BlobDigest(Digest(bytes)))
    }
}

/// Where a blob's bytes are.
enum Source {
    File { file: File, start: u64 },
    Bytes(Vec<u8>),
}

/// A blob to push.
pub(crate) struct Blob {
    source: Source,
    pub(crate) len: u64,
    pub(crate) digest: BlobDigest,
}

impl Blob {
    /// A part of a file that is said to have this digest.
    pub(crate) fn part(file: File, start: u64, len: u64, digest: BlobDigest) -> Blob {
        Blob { source: Source::File { file, start }, len, digest }
    }

    /// A whole file.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn file(file: File) -> io::Result<Blob> {
        let len = file.metadata()?.len();
        let mut blob = Blob::part(file, 0, len, BlobDigest::of(b""));
        blob.digest = blob.compute()?;
        Ok(blob)
    }

    /// Bytes in memory.
    pub(crate) fn bytes(bytes: Vec<u8>) -> Blob {
        Blob {
            len: bytes.len() as u64,
            digest: BlobDigest::of(&bytes),
            source: Source::Bytes(bytes),
        }
    }

    /// Computes the digest of the bytes that are there.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub(crate) fn compute(&self) -> io::Result<BlobDigest> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; BUFFER_LEN];
        let mut reader = self.reader(0, self.len);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(BlobDigest(hasher.finish())),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Reads the bytes from `at` to `end`.
    pub(crate) fn reader(&self, at: u64, end: u64) -> Reader<'_> {
        Reader { blob: self, at, end: end.min(self.len) }
    }
}

/// Reads a part of a blob.
pub(crate) struct Reader<'a> {
    blob: &'a Blob,
    at: u64,
    end: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = rest.min(buffer.len());
        let count = match &self.blob.source {
            Source::File { file, start } => file.read_at(&mut buffer[..len], start + self.at)?,
            Source::Bytes(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX);
                bytes.get(at..).unwrap_or_default().read(&mut buffer[..len])?
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(BlobDigest::try_from(text.to_owned()).unwrap(), BlobDigest::of(b"abc"));
        assert_eq!(BlobDigest::of(b"abc").to_string(), text);
        for wrong in
            ["", "sha256:", "sha512:00", &text.to_uppercase(), &text[..70], &format!("{text}0")]
        {
            assert!(BlobDigest::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn part_of_a_file_is_read() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"01234567").unwrap();
        let blob = Blob::part(file, 2, 4, BlobDigest::of(b"2345"));
        assert_eq!(blob.compute().unwrap(), blob.digest);
        let mut text = String::new();
        blob.reader(1, 9).read_to_string(&mut text).unwrap();
        assert_eq!(text, "345");
    }
}
