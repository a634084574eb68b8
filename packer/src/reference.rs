//! Store hashes in bytes, found as Nix's `RefScanner` finds them.
//!
//! A reference is any 32 characters that are the hash of a store path, wherever they stand.

use std::collections::HashMap;

use format::{HASH_TEXT_LEN, StoreHash};

/// Characters of the hash's text that the filter looks at: 20 bits.
const FILTER_CHARACTERS: usize = 4;

/// The value of each byte as a digit of Nix's base 32; [`NO_DIGIT`] for all others.
const VALUES: [u8; 256] = values();
const NO_DIGIT: u8 = 0xff;

const fn values() -> [u8; 256] {
    let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 32u8 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// The hashes to look for; each has a number.
pub(crate) struct Hashes {
    numbers: HashMap<[u8; HASH_TEXT_LEN], u32>,
    /// One bit for each start that some hash has, so that long runs of digits cost little.
    filter: Vec<bool>,
}

impl Hashes {
    /// Numbers the hashes in the order given, from 0.
    pub(crate) fn new(hashes: impl IntoIterator<Item = StoreHash>) -> Hashes {
        let numbers: HashMap<_, _> = hashes.into_iter().map(|hash| hash.text()).zip(0..).collect();
        let mut filter = vec![false; 1 << (5 * FILTER_CHARACTERS)];
        for text in numbers.keys() {
            filter[filter_index(text)] = true;
        }
        Hashes { numbers, filter }
    }

    /// Calls `found` with the place and the number of each hash in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut start = 0;
        // Characters at the window's start that are known to be digits.
        let mut known = 0;
        while let Some(window) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
            let window: &[u8; HASH_TEXT_LEN] = window;
            // From the back: a byte that is no digit lets the window jump behind it.
            match window[known..].iter().rposition(|byte| VALUES[usize::from(*byte)] == NO_DIGIT) {
                Some(at) => {
                    start += known + at + 1;
                    known = 0;
                }
                None => {
                    if self.filter[filter_index(window)]
                        && let Some(number) = self.numbers.get(window)
                    {
                        found(start, *number);
                    }
                    start += 1;
                    known = HASH_TEXT_LEN - 1;
                }
            }
        }
    }

    /// Whether any hash is in `bytes`.
    pub(crate) fn first(&self, bytes: &[u8]) -> Option<(usize, u32)> {
        let mut first = None;
        self.find(bytes, |at, number| {
            first.get_or_insert((at, number));
        });
        first
    }
}

fn filter_index(text: &[u8; HASH_TEXT_LEN]) -> usize {
    text[..FILTER_CHARACTERS]
        .iter()
        .fold(0, |index, byte| (index << 5) | usize::from(VALUES[usize::from(*byte)] & 31))
}

/// Looks for hashes in bytes that come in pieces, such as a file that is read.
pub(crate) struct Scanner<'a> {
    hashes: &'a Hashes,
    /// The last bytes before the next piece: a hash may begin there.
    seam: Vec<u8>,
    /// Bytes taken so far.
    position: u64,
}

impl<'a> Scanner<'a> {
    /// Starts at position 0.
    pub(crate) fn new(hashes: &'a Hashes) -> Scanner<'a> {
        Scanner { hashes, seam: Vec::new(), position: 0 }
    }

    /// Takes the next bytes; calls `found` with the position and the number of each hash.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(u64, u32)) {
        const SEAM_LEN: usize = HASH_TEXT_LEN - 1;
        let behind = self.seam.len();
        self.seam.extend_from_slice(&bytes[..bytes.len().min(SEAM_LEN)]);
        let seam_start = self.position - behind as u64;
        self.hashes.find(&self.seam, |at, number| {
            // Those that lie wholly in `bytes` are found below.
            if at < behind {
                found(seam_start + at as u64, number);
            }
        });
        self.hashes.find(bytes, |at, number| found(self.position + at as u64, number));
        if bytes.len() >= SEAM_LEN {
            self.seam.clear();
            self.seam.extend_from_slice(&bytes[bytes.len() - SEAM_LEN..]);
        } else {
            self.seam.drain(..self.seam.len().saturating_sub(SEAM_LEN));
        }
        self.position += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use format::StorePath;

    use super::*;

    const GLIBC: &str = "1b9p07z77phvv2hf6gm9f28syp39f1ag";
    const BASH: &str = "mdqbvva59jscqy50km1a26xisr7vsjz5";

    fn hashes() -> Hashes {
        Hashes::new(
            [GLIBC, BASH]
                .map(|hash| StorePath::parse(format!("{hash}-name").as_bytes()).unwrap().hash()),
        )
    }

    fn scan(pieces: &[&[u8]]) -> Vec<(u64, u32)> {
        let hashes = hashes();
        let mut scanner = Scanner::new(&hashes);
        let mut found = Vec::new();
        for piece in pieces {
            scanner.feed(piece, |at, number| found.push((at, number)));
        }
        found
    }

    #[test]
    fn hashes_are_found_where_they_stand() {
        for (text, expected) in [
            (String::new(), vec![]),
            (GLIBC.to_string(), vec![(0, 0)]),
            (format!("/nix/store/{BASH}-bash"), vec![(11, 1)]),
            (format!("0{GLIBC}{BASH}0"), vec![(1, 0), (33, 1)]),
            (format!("e{}", &GLIBC[1..]), vec![]),
            (GLIBC[..31].to_string(), vec![]),
            (format!("{GLIBC}:{GLIBC}"), vec![(0, 0), (33, 0)]),
        ] {
            assert_eq!(scan(&[text.as_bytes()]), expected, "{text}");
        }
    }

    #[test]
    fn every_cut_gives_the_same() {
        let text = format!("0{GLIBC}/\0{BASH}xyz{GLIBC}");
        let whole = scan(&[text.as_bytes()]);
        assert_eq!(whole.len(), 3);
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(scan(&[head, tail]), whole, "cut at {cut}");
            let (first, second) = head.split_at(cut / 2);
            assert_eq!(scan(&[first, b"", second, tail]), whole, "cuts at {} and {cut}", cut / 2);
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(scan(&bytes), whole, "byte by byte");
    }
}
