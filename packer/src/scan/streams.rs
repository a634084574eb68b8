//! Compressed streams in the middle of other files: literals of Erlang and R, link-time code of GCC, resources, archives
//! behind a script.

use memchr::{memchr2_iter, memchr3_iter};

use super::compressed::Method;

/// The bytes that a stream begins with. Those of zlib are short: whoever reads there finds out.
const MAGICS: [(&[u8], Method); 9] = [
    (b"\x78\x01", Method::Zlib),
    (b"\x78\x5e", Method::Zlib),
    (b"\x78\x9c", Method::Zlib),
    (b"\x78\xda", Method::Zlib),
    (b"\x1f\x8b\x08", Method::Gzip),
    (b"\x28\xb5\x2f\xfd", Method::Zstd),
    (b"\xfd7zXZ\0", Method::Xz),
    (b"BZh", Method::Bzip2),
    (b"BC\xc0\xde", Method::Bitcode),
];

/// What stands behind the magic number and the level of bzip2.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";

/// Bytes of the longest beginning.
const MAGIC_LEN: usize = 4 + BZIP2_BLOCK.len();

/// Looks for the beginnings of streams in a file that comes in parts.
#[derive(Default)]
pub(crate) struct StreamScanner {
    /// The last bytes before the next part: a beginning may be cut there.
    last: Vec<u8>,
    /// The position of the next part.
    position: u64,
    found: Vec<(u64, Method)>,
}

impl StreamScanner {
    /// Takes the file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let cut = self.last.len();
        let mut edge = std::mem::take(&mut self.last);
        edge.extend_from_slice(&bytes[..bytes.len().min(MAGIC_LEN - 1)]);
        let start = self.position - cut as u64;
        self.look(&edge, start, |at, len| at < cut && at + len > cut);
        // Text has no streams in it, and most bytes are text.
        if str::from_utf8(bytes).is_err() {
            self.look(bytes, self.position, |_, _| true);
        }
        let tail = if bytes.len() < MAGIC_LEN { &edge } else { bytes };
        self.last = tail[tail.len().saturating_sub(MAGIC_LEN - 1)..].into();
        self.position += bytes.len() as u64;
    }

    /// Ends the file; returns where streams may begin, in order.
    pub(crate) fn end(self) -> Vec<(u64, Method)> {
        let mut found = self.found;
        found.sort_by_key(|(at, _)| *at);
        found
    }

    fn look(&mut self, bytes: &[u8], start: u64, is_new: impl Fn(usize, usize) -> bool) {
        let three = memchr3_iter(b'\x78', b'\x1f', b'\x28', bytes);
        let two = memchr2_iter(b'\xfd', b'B', bytes);
        for at in three.chain(two) {
            let rest = &bytes[at..];
            let magic = MAGICS.iter().find(|(magic, _)| rest.starts_with(magic));
            if let Some((magic, method)) = magic {
                let is_bzip2 = || rest.get(4..).is_some_and(|rest| rest.starts_with(BZIP2_BLOCK));
                let len = if *method == Method::Bzip2 { MAGIC_LEN } else { magic.len() };
                if is_new(at, len) && (*method != Method::Bzip2 || is_bzip2()) {
                    self.found.push((start + at as u64, *method));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_found_wherever_the_file_is_cut() {
        let bytes = b"\x78\x9c\xff..\x1f\x8b\x08\xff\xffBZh91AY&SYx\x78\xdaBZh9\xff\x28\xb5\x2f\xfdBC\xc0\xde\xfd7zXZ\0";
        let expected = [
            (0, Method::Zlib),
            (5, Method::Gzip),
            (10, Method::Bzip2),
            (21, Method::Zlib),
            (28, Method::Zstd),
            (32, Method::Bitcode),
            (36, Method::Xz),
        ];
        for part in [1, 2, 3, 9, 11, 1000] {
            let mut scanner = StreamScanner::default();
            bytes.chunks(part).for_each(|part| scanner.feed(part));
            assert_eq!(scanner.end(), expected, "by {part}");
        }
    }
}
