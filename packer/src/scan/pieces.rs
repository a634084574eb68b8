//! Pieces of hashes: what compilers make of a path that is copied.
//!
//! GCC turns `strcpy(b, "/nix/store/…")` into stores of 8- or 16-byte constants, and keeps equal constants once. So a path
//! can be there in pieces, of which some belong to another path as well: rewriting whole references changes one path,
//! and leaves the other or breaks it in two. Any piece of 8 bytes of such a constant is 8 characters of the hash.

use std::collections::{BTreeMap, HashMap};

use format::HASH_TEXT_LEN;

use crate::source::reference::{Hashes, NO_DIGIT, VALUES};

/// Characters of a piece: the smallest constant that a path is cut into.
const PIECE_LEN: usize = 8;

/// Different pieces of one hash that are needed: a single one is found by chance, once in a gigabyte.
const NEEDED: u32 = 2;

/// Characters that the filter looks at: 20 bits.
const FILTER_CHARACTERS: usize = 4;

/// The pieces of all hashes to look for.
pub(crate) struct Pieces {
    /// Where each piece is: the hash's number and the character that it begins with.
    table: HashMap<[u8; PIECE_LEN], Vec<Piece>>,
    /// One bit for each start that some piece has.
    filter: Vec<bool>,
    texts: HashMap<u32, [u8; HASH_TEXT_LEN]>,
}

/// A piece of a hash.
#[derive(Clone, Copy, Debug)]
struct Piece {
    hash: u32,
    /// The character of the hash that it begins with.
    start: usize,
}

impl Pieces {
    /// Makes the table of all pieces.
    pub(crate) fn new(hashes: &Hashes) -> Pieces {
        let mut table: HashMap<_, Vec<Piece>> = HashMap::new();
        let mut filter = vec![false; 1 << (5 * FILTER_CHARACTERS)];
        for (text, hash) in hashes.iter() {
            for (start, piece) in text.windows(PIECE_LEN).enumerate() {
                let piece: [u8; PIECE_LEN] = std::array::from_fn(|at| piece[at]);
                filter[filter_index(&piece)] = true;
                table.entry(piece).or_default().push(Piece { hash, start });
            }
        }
        let texts = hashes.iter().map(|(text, hash)| (hash, *text)).collect();
        Pieces { table, filter, texts }
    }

    /// Calls `found` with the place of each piece in `bytes[from..]` that is not a part of the whole hash.
    fn find(&self, bytes: &[u8], from: usize, to: usize, mut found: impl FnMut(usize, Piece)) {
        let mut start = from;
        // Characters at the window's start that are known to be digits.
        let mut known = 0;
        while start < to
            && let Some(window) = bytes.get(start..).and_then(<[u8]>::first_chunk)
        {
            let window: &[u8; PIECE_LEN] = window;
            match window[known..].iter().rposition(|byte| VALUES[usize::from(*byte)] == NO_DIGIT) {
                Some(at) => {
                    start += known + at + 1;
                    known = 0;
                }
                None => {
                    if self.filter[filter_index(window)]
                        && let Some(pieces) = self.table.get(window)
                    {
                        let alone =
                            pieces.iter().filter(|piece| !self.is_whole(bytes, start, piece));
                        alone.for_each(|piece| found(start, *piece));
                    }
                    start += 1;
                    known = PIECE_LEN - 1;
                }
            }
        }
    }

    /// Whether the whole hash stands around a piece at `at`.
    fn is_whole(&self, bytes: &[u8], at: usize, piece: &Piece) -> bool {
        let first = at.checked_sub(piece.start);
        let hash = first.and_then(|first| bytes.get(first..first + HASH_TEXT_LEN));
        hash.is_some_and(|hash| self.texts.get(&piece.hash).is_some_and(|text| text == hash))
    }
}

fn filter_index(text: &[u8; PIECE_LEN]) -> usize {
    let digit = |byte: &u8| usize::from(VALUES[usize::from(*byte)] & 31);
    text[..FILTER_CHARACTERS].iter().fold(0, |index, byte| (index << 5) | digit(byte))
}

/// Looks for pieces in a file that comes in parts.
pub(crate) struct PieceScanner<'a> {
    pieces: &'a Pieces,
    /// The last bytes before the next part: a hash may begin there.
    window: Vec<u8>,
    /// Bytes of the window that were looked at.
    done: usize,
    /// The position of the window's first byte.
    start: u64,
    /// For each hash, where the first piece is and a bit for each that was found.
    found: BTreeMap<u32, (u64, u32)>,
}

impl<'a> PieceScanner<'a> {
    /// Starts at position 0.
    pub(crate) fn new(pieces: &'a Pieces) -> PieceScanner<'a> {
        PieceScanner { pieces, window: Vec::new(), done: 0, start: 0, found: BTreeMap::new() }
    }

    /// Takes the file's next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.window.extend_from_slice(bytes);
        // Of later ones, the whole hash may not be there yet.
        self.look(self.window.len().saturating_sub(HASH_TEXT_LEN - 1));
        let passed = self.done.saturating_sub(HASH_TEXT_LEN);
        self.window.drain(..passed);
        self.done -= passed;
        self.start += passed as u64;
    }

    /// Ends the file; returns where the first piece of a hash is that is there in pieces.
    pub(crate) fn end(mut self) -> Option<u64> {
        self.look(self.window.len());
        let is_cut = |(_, bits): &&(u64, u32)| bits.count_ones() >= NEEDED;
        self.found.values().filter(is_cut).map(|(first, _)| *first).min()
    }

    fn look(&mut self, to: usize) {
        let PieceScanner { pieces, window, done, start, found } = self;
        pieces.find(window, *done, to, |at, piece| {
            let (_, bits) = found.entry(piece.hash).or_insert((*start + at as u64, 0));
            *bits |= 1 << piece.start;
        });
        *done = to.max(*done);
    }
}

#[cfg(test)]
mod tests {
    use format::StorePath;

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC};

    fn scan(parts: &[&[u8]]) -> Option<u64> {
        let paths = [GLIBC, BASH].map(|name| StorePath::parse(name.as_bytes()).unwrap());
        let pieces = Pieces::new(&Hashes::of_paths(&paths));
        let mut scanner = PieceScanner::new(&pieces);
        parts.iter().for_each(|part| scanner.feed(part));
        scanner.end()
    }

    #[test]
    fn pieces_are_told_from_whole_hashes() {
        let hash = &GLIBC[..32];
        let constants: Vec<u8> = hash.as_bytes()[5..29].chunks(8).collect::<Vec<_>>().join(&b'\0');
        for (bytes, expected) in [
            (String::new().into_bytes(), None),
            (format!("/nix/store/{GLIBC}").into(), None),
            (format!("{hash}{hash}0{hash}").into(), None),
            // One piece can be there by chance.
            (hash.as_bytes()[..8].to_vec(), None),
            (format!("..{}..{}", &hash[..8], &hash[..8]).into(), None),
            (format!("..{}", &hash[..9]).into(), Some(2)),
            (format!("/nix/store/{hash}..{}", &hash[20..]).into(), Some(45)),
            (constants, Some(0)),
            // Of two hashes one each.
            (format!("{}.{}", &hash[..8], &BASH[..8]).into(), None),
        ] {
            assert_eq!(scan(&[&bytes]), expected, "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(scan(&[head, tail]), expected, "{} cut at {cut}", bytes.escape_ascii());
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(scan(&single), expected, "{} byte by byte", bytes.escape_ascii());
        }
    }
}
