//! A fuzz target that searches a file for hashes, also inside compressed files.

use format::StoreHash;
use packer::fuzz::{Form, holds_reference, occurrences, streams_hold_reference};

/// The hashes of the closure. A reference to the first is `/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag`.
const HASHES: [&[u8; 32]; 2] =
    [b"1b9p07z77phvv2hf6gm9f28syp39f1ag", b"mdqbvva59jscqy50km1a26xisr7vsjz5"];

/// The limit on decompressed bytes: more takes time and finds nothing.
const LIMIT: u64 = 4 << 20;

/// Target: the input is the length of the pieces in which the file is read, then the file.
pub(crate) fn scan(data: &[u8]) -> bool {
    let Some((piece, file)) = data.split_first() else { return false };
    let hashes = HASHES.map(|text| StoreHash::parse(text).expect("a hash"));
    let sorted = |piece| {
        let mut found = occurrences(&hashes, file, piece);
        found.sort_by_key(|hash| (hash.position, hash.number, hash.form == Form::Wide));
        found
    };
    let found = sorted(file.len().max(1));
    assert_eq!(sorted(usize::from(*piece) + 1), found, "in pieces of {}", usize::from(*piece) + 1);
    // The scanner finds all hashes, and nothing else.
    let is_hash = |at: usize| (0..).zip(HASHES).find(|(_, text)| file[at..].starts_with(*text));
    let expected = (0..file.len()).filter_map(|at| Some((at as u64, is_hash(at)?.0)));
    let plain = found.iter().filter(|hash| hash.form != Form::Wide);
    assert!(plain.map(|hash| (hash.position, hash.number)).eq(expected));
    for hash in found.iter().filter(|hash| hash.form == Form::Reference) {
        let at = usize::try_from(hash.position).expect("in the file");
        assert!(file[..at].ends_with(b"/nix/store/"));
    }
    let streams = streams_hold_reference(&hashes, file, LIMIT);
    holds_reference(&hashes, file, LIMIT).is_some_and(|found| found.is_ok())
        || streams.is_ok_and(|found| found)
        || !found.is_empty()
}
