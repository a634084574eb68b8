//! Chooses the old content from which a new frame is made: the files that its own files were.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use format::{Extent, Frame, Index, Kind, limits};

use super::pairs::Pair;

/// Bytes between two chosen pieces that are taken too, so that the list of pieces is short.
const GAP: u64 = 16 << 10;

/// Bytes of tar headers in front of a content: one header, and two blocks for a long name.
const HEADERS: u64 = 3 * 512;

/// Bytes before and behind the same place in an old file, where a new frame has only a piece of the new one.
const SLACK: u64 = 1 << 20;

/// The files of the old bundle, by what they are likely to be called in the new one.
pub(super) struct Prefixes<'a> {
    old: Files,
    /// In the new bundle: where each file's content is, and its keys; sorted by position.
    new: Vec<(Extent, Keys)>,
    ends: Ends,
    old_index: &'a Index<'a>,
}

/// What a file is known by: the exact name in its package, the name without digits, and the last component of it.
type Keys = [u64; 3];

/// Old contents by each kind of key.
type Files = [HashMap<u64, Vec<Extent>>; 3];

/// Where the last content of each tar stream ends; directories and links follow.
struct Ends {
    old: Extent,
    new: u64,
}

impl Prefixes<'_> {
    /// Looks at the files of both bundles. The lengths are those of the tar streams.
    pub(super) fn new<'a>(
        pairs: &[Pair],
        (old_index, old_len): (&'a Index<'a>, u64),
        new_index: &Index<'_>,
    ) -> Prefixes<'a> {
        let mut old: Files = Default::default();
        let mut end = 0;
        for (extent, keys) in files(old_index, |number| root(pairs, |pair| pair.old, number)) {
            end = end.max(extent.end());
            for (files, key) in old.iter_mut().zip(keys) {
                files.entry(key).or_default().push(extent);
            }
        }
        let mut new: Vec<_> = files(new_index, |number| root(pairs, |pair| pair.new, number));
        new.sort_by_key(|(extent, _)| *extent);
        let new_end = new.iter().map(|(extent, _)| extent.end()).max().unwrap_or(0);
        let rest = Extent { start: end, len: old_len.saturating_sub(end) };
        Prefixes { old, new, ends: Ends { old: rest, new: new_end }, old_index }
    }

    /// Returns the pieces of the old tar stream that resemble a new frame, in the order of the stream.
    pub(super) fn of(&self, frame: &Frame) -> Vec<Extent> {
        let mut chosen = Vec::new();
        // Contents can be the same for several files, and long ones begin in an earlier frame.
        let end = self.new.partition_point(|(extent, _)| extent.start < frame.end());
        for (extent, keys) in &self.new[..end] {
            if extent.end() > frame.start && extent.len > 0 {
                chosen.extend(self.resembling(frame, extent, keys));
            }
        }
        if frame.end() > self.ends.new && self.ends.old.len > 0 {
            chosen.push(self.ends.old);
        }
        join(chosen)
    }

    /// The piece of an old file that resembles what a frame has of a new file.
    fn resembling(&self, frame: &Frame, new: &Extent, keys: &Keys) -> Option<Extent> {
        let candidates = self.old.iter().zip(keys).find_map(|(files, key)| files.get(key))?;
        let old = candidates.iter().min_by_key(|old| old.len.abs_diff(new.len))?;
        let begin = frame.start.saturating_sub(new.start);
        let end = frame.end().min(new.end()) - new.start;
        let slack = if end - begin == new.len { old.len } else { SLACK };
        let begin = begin.saturating_sub(slack).min(old.len);
        let end = end.saturating_add(slack).min(old.len);
        let start = (old.start + begin).saturating_sub(HEADERS);
        (begin < end).then(|| Extent { start, len: old.start + end - start })
    }

    /// The old index.
    pub(super) fn old_index(&self) -> &Index<'_> {
        self.old_index
    }
}

/// Sorts pieces and joins those that touch or nearly do, up to the limit of the format.
fn join(mut pieces: Vec<Extent>) -> Vec<Extent> {
    pieces.sort();
    let mut joined: Vec<Extent> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if piece.start <= last.end().saturating_add(GAP) => {
                last.len = last.len.max(piece.end() - last.start);
            }
            _ => joined.push(piece),
        }
    }
    let mut room = u64::from(limits::PREFIX_LEN);
    joined.retain(|piece| {
        let fits = piece.len <= room;
        room -= if fits { piece.len } else { 0 };
        fits
    });
    joined
}

/// Returns the number of the pair that a store path belongs to.
fn root(pairs: &[Pair], side: fn(&Pair) -> Option<usize>, number: usize) -> usize {
    pairs.iter().position(|pair| side(pair) == Some(number)).unwrap_or(usize::MAX)
}

/// Returns where the content of each file is, and its keys.
fn files(index: &Index<'_>, pair: impl Fn(usize) -> usize) -> Vec<(Extent, Keys)> {
    let hash = |key: u64, name: &[u8]| {
        let mut hasher = DefaultHasher::new();
        (key, name).hash(&mut hasher);
        hasher.finish()
    };
    let mut keys: Vec<Keys> = Vec::with_capacity(index.nodes.len());
    let mut files = Vec::new();
    let mut roots = 0;
    for node in &index.nodes {
        // Versions are in names: libz.so.1.2.13.
        let plain: Vec<u8> = node.name.iter().copied().filter(|c| !c.is_ascii_digit()).collect();
        let own = match node.parent {
            None => {
                let root = pair(roots) as u64;
                roots += 1;
                [root, root, 0]
            }
            Some(parent) => {
                let [exact, plainly, _] = keys.get(parent as usize).copied().unwrap_or_default();
                [hash(exact, node.name), hash(plainly, &plain), hash(0, &plain)]
            }
        };
        keys.push(own);
        if let Kind::File { content, .. } = node.kind {
            files.push((content, own));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined() {
        let piece = |start, len| Extent { start, len };
        for (pieces, expected) in [
            (vec![piece(100_000, 5), piece(0, 10)], vec![piece(0, 10), piece(100_000, 5)]),
            (vec![piece(0, 10), piece(10, 5), piece(2, 3)], vec![piece(0, 15)]),
            (vec![piece(0, 10), piece(GAP, 5)], vec![piece(0, GAP + 5)]),
            (
                vec![
                    piece(0, 10),
                    piece(1 << 20, u64::from(limits::PREFIX_LEN)),
                    piece(1 << 40, 1),
                ],
                vec![piece(0, 10), piece(1 << 40, 1)],
            ),
            (vec![], vec![]),
        ] {
            assert_eq!(join(pieces), expected);
        }
    }
}
