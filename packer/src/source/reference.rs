//! Finds store hashes in bytes, with the rule of Nix's `RefScanner`.
//!
//! The rule: any 32 characters that are the hash of a store path count, wherever they are.

use std::collections::HashMap;

use format::{BASE32_DIGITS, HASH_TEXT_LEN, StoreHash, StorePath};

/// Characters at the start of a hash that the filter uses: 20 bits.
const FILTER_CHARACTERS: usize = 4;

/// The value of each byte as a digit of Nix's base 32; [`NO_DIGIT`] for bytes that are not digits.
pub(crate) const VALUES: [u8; 256] = values();
pub(crate) const NO_DIGIT: u8 = 0xff;

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 32u8 {
        values[BASE32_DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// The hashes to search for; each has a number.
pub(crate) struct Hashes {
    numbers: HashMap<[u8; HASH_TEXT_LEN], u32>,
    /// Whether a hash begins with these characters. It avoids most lookups of hashes in long runs of digits.
    filter: Vec<bool>,
}

impl Hashes {
    /// Numbers the hashes from 0, in the given order.
    pub(crate) fn new(hashes: impl IntoIterator<Item = StoreHash>) -> Hashes {
        let numbers: HashMap<_, _> = hashes.into_iter().map(|hash| hash.text()).zip(0..).collect();
        let mut filter = vec![false; 1 << (5 * FILTER_CHARACTERS)];
        for text in numbers.keys() {
            filter[filter_index(text)] = true;
        }
        Hashes { numbers, filter }
    }

    /// The text of each hash, with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8; HASH_TEXT_LEN], u32)> {
        self.numbers.iter().map(|(text, number)| (text, *number))
    }

    /// Gives the hash of each store path the number of the path in `paths`.
    pub(crate) fn of_paths(paths: &[StorePath]) -> Hashes {
        Hashes::new(paths.iter().map(StorePath::hash))
    }

    /// Calls `found` with the position and the number of each hash in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut start = 0;
        // The number of bytes at the start of the window that are known to be digits.
        let mut known = 0;
        while let Some(window) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
            let window: &[u8; HASH_TEXT_LEN] = window;
            // Search backwards: the window moves behind the last byte that is not a digit.
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

    /// Calls `found` with the position and the number of each wide hash: its characters are `stride` bytes apart,
    /// with zeros between them.
    fn find_wide(&self, bytes: &[u8], stride: usize, mut found: impl FnMut(usize, u32)) {
        let is_digit = |at: usize| VALUES[usize::from(bytes[at])] != NO_DIGIT;
        let has_gap = |at: usize| bytes[at + 1 - stride..at].iter().all(|gap| *gap == 0);
        for remainder in 0..stride {
            let mut first = remainder;
            while first + (HASH_TEXT_LEN - 1) * stride < bytes.len() {
                let at = |character| first + character * stride;
                // From the back, as above.
                let wrong = (0..HASH_TEXT_LEN).rev().find(|character| {
                    !is_digit(at(*character)) || *character > 0 && !has_gap(at(*character))
                });
                first = match wrong {
                    Some(character) if !is_digit(at(character)) => at(character + 1),
                    Some(character) => at(character),
                    None => {
                        let text = std::array::from_fn(|character| bytes[at(character)]);
                        if let Some(number) = self.numbers.get(&text) {
                            found(first, *number);
                        }
                        at(1)
                    }
                };
            }
        }
    }

    /// Returns the position and the number of the first hash in `bytes`.
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

/// The form of a hash in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A reference: `/nix/store/` is before the hash.
    Reference,
    /// A hash without `/nix/store/` before it.
    Bare,
    /// With zeros between its characters: UTF-16 or UTF-32.
    Wide,
}

/// A hash in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Bytes before its first character.
    pub position: u64,
    /// The number of the hash.
    pub number: u32,
    /// The form of the hash.
    pub form: Form,
}

/// The text before the hash in a reference.
pub(crate) const PREFIX: &[u8] = b"/nix/store/";

/// Bytes of one character in UTF-16 and UTF-32.
const STRIDES: [usize; 2] = [2, 4];

/// The forms that a scanner searches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Hashes in plain text, which Nix finds too.
    Plain,
    /// Also wide hashes.
    Wide,
}

/// Searches bytes for hashes; the bytes come in pieces, for example from a file.
pub(crate) struct Scanner<'a> {
    hashes: &'a Hashes,
    depth: Depth,
    /// The last bytes so far. A hash that ends in the next piece may begin here.
    window: Vec<u8>,
    /// The position of the first byte of the window.
    start: u64,
}

impl<'a> Scanner<'a> {
    /// Makes a scanner at position 0.
    pub(crate) fn new(hashes: &'a Hashes, depth: Depth) -> Scanner<'a> {
        Scanner { hashes, depth, window: Vec::new(), start: 0 }
    }

    /// Scans the next bytes; calls `found` with each hash that ends in them.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(Occurrence)) {
        let known = self.window.len();
        self.window.extend_from_slice(bytes);
        let (window, start) = (&self.window, self.start);
        let occurrence =
            |at: usize, number, form| Occurrence { position: start + at as u64, number, form };
        self.hashes.find(window, |at, number| {
            let form = if window[..at].ends_with(PREFIX) { Form::Reference } else { Form::Bare };
            if at + HASH_TEXT_LEN > known {
                found(occurrence(at, number, form));
            }
        });
        let keep = match self.depth {
            Depth::Plain => PREFIX.len() + HASH_TEXT_LEN - 1,
            Depth::Wide => {
                for stride in STRIDES {
                    self.hashes.find_wide(window, stride, |at, number| {
                        if at + (HASH_TEXT_LEN - 1) * stride >= known {
                            found(occurrence(at, number, Form::Wide));
                        }
                    });
                }
                STRIDES[1] * HASH_TEXT_LEN
            }
        };
        let passed = self.window.len().saturating_sub(keep);
        self.window.drain(..passed);
        self.start += passed as u64;
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
        let mut scanner = Scanner::new(&hashes, Depth::Wide);
        let mut found = Vec::new();
        for piece in pieces {
            scanner.feed(piece, |hash| found.push((hash.position, hash.number)));
        }
        found.sort_unstable();
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
    fn forms_are_told_apart() {
        let hashes = hashes();
        let wide: Vec<u8> = GLIBC.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: [(Vec<u8>, Form); 4] = [
            (format!("/nix/store/{GLIBC}").into(), Form::Reference),
            (format!("/nix/Store/{GLIBC}").into(), Form::Bare),
            (GLIBC.into(), Form::Bare),
            (wide, Form::Wide),
        ];
        for (text, form) in cases {
            for cut in 0..text.len() {
                let mut scanner = Scanner::new(&hashes, Depth::Wide);
                let mut forms = Vec::new();
                let (head, tail) = text.split_at(cut);
                scanner.feed(head, |hash| forms.push(hash.form));
                scanner.feed(tail, |hash| forms.push(hash.form));
                assert_eq!(forms, [form], "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn every_cut_gives_the_same() {
        let wide = |stride: usize, end: &[u8]| {
            let unit = move |c: u8| std::iter::once(c).chain(std::iter::repeat_n(0, stride - 1));
            let mut bytes: Vec<u8> = GLIBC.bytes().flat_map(unit).collect();
            bytes.extend_from_slice(end);
            bytes
        };
        let mut text = format!("0{GLIBC}/\0{BASH}xyz{GLIBC}").into_bytes();
        text.extend(wide(2, b"|"));
        text.extend(wide(4, b"|\0"));
        let whole = scan(&[&text]);
        assert_eq!(whole.len(), 5);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(scan(&[head, tail]), whole, "cut at {cut}");
            let (first, second) = head.split_at(cut / 2);
            assert_eq!(scan(&[first, b"", second, tail]), whole, "cuts at {} and {cut}", cut / 2);
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(scan(&bytes), whole, "byte by byte");
    }
}
