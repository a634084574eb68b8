//! A bundle that was altered anywhere behind the stub's code is refused, and the altered region named.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tests::{Forge, Readers, Region, regions, say};

/// A way to alter a region.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// One bit.
    Flip,
    /// Some bytes become others.
    Overwrite,
    /// Two pieces change places; the second is in any region.
    Swap,
    /// A piece stands in the place of the one behind it, too.
    Repeat,
    /// A piece is gone; the file is shorter.
    Cut,
    /// A piece is gone, and the file is as long as it was.
    Shift,
    /// A piece comes twice; the file is longer.
    Grow,
    /// A piece comes twice, and the file's end is gone.
    Push,
    /// The file ends inside the region.
    End,
}

const WAYS: [Way; 9] = [
    Way::Flip,
    Way::Overwrite,
    Way::Swap,
    Way::Repeat,
    Way::Cut,
    Way::Shift,
    Way::Grow,
    Way::Push,
    Way::End,
];

/// Alterations of each region in each way.
const ROUNDS: usize = 32;

/// SplitMix64, by Sebastiano Vigna: the same cases in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// A piece of a region, of two to `most` bytes.
    fn piece(&mut self, region: &Range<usize>, most: usize) -> Range<usize> {
        let len = 2 + self.below(most.min(region.len() / 2) - 1);
        let start = region.start + self.below(region.len() - len);
        start..start + len
    }
}

/// Alters a region; what is behind the descriptor in the stub stays where it is.
fn alter(good: &[u8], regions: &[Region], number: usize, way: Way, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let (name, region) = &regions[number];
    let piece = chance.piece(region, 64);
    let end = if name == "descriptor" { region.end } else { bytes.len() };
    match way {
        Way::Flip => bytes[piece.start] ^= 1 << chance.below(8),
        Way::Overwrite => {
            bytes[piece].iter_mut().for_each(|byte| *byte = chance.next().to_le_bytes()[0])
        }
        Way::Swap => {
            let other = &regions[chance.below(regions.len())].1;
            let len = piece.len().min(other.len());
            let at = other.start + chance.below(other.len() - len + 1);
            let (one, two) = (bytes[piece.start..][..len].to_vec(), bytes[at..][..len].to_vec());
            bytes[at..][..len].copy_from_slice(&one);
            bytes[piece.start..][..len].copy_from_slice(&two);
        }
        Way::Repeat => {
            let len = piece.len().min(region.end - piece.end);
            bytes.copy_within(piece.start..piece.start + len, piece.end);
        }
        Way::Cut if name != "descriptor" => drop(bytes.drain(piece)),
        Way::Cut | Way::Shift => {
            bytes.copy_within(piece.end..end, piece.start);
            bytes[end - piece.len()..end].fill(0);
        }
        Way::Grow if name != "descriptor" => {
            let copy = bytes[piece.clone()].to_vec();
            drop(bytes.splice(piece.end..piece.end, copy));
        }
        Way::Grow | Way::Push => bytes.copy_within(piece.start..end - piece.len(), piece.end),
        Way::End if name != "descriptor" => bytes.truncate(piece.start),
        Way::End => bytes[piece.start..end].fill(0),
    }
    bytes
}

/// Bytes of memory: plenty to find out, and far below what a machine has.
const MEMORY: u64 = 256 << 20;

/// Checks that a message names one of the regions that differ, or the file's length if that does.
fn names(what: &str, good: &[u8], bad: &[u8], regions: &[Region]) -> bool {
    if good.len() != bad.len() {
        return [good.len(), bad.len()].iter().all(|len| what.contains(&len.to_string()));
    }
    let mut altered = regions.iter().filter(|(_, at)| good[at.clone()] != bad[at.clone()]);
    altered.any(|(name, at)| {
        what.contains(&format!(" is damaged: {name}: "))
            || name == "descriptor"
                && (what.contains("bundle format version")
                    || bad[at.clone()].iter().all(|byte| *byte == 0))
    })
}

#[test]
fn whatever_is_altered_is_refused_and_named() {
    let mut forge = Forge::small();
    // In several frames, wherever they end.
    forge.set_tar(&forge.tar(), 3);
    let good = forge.bytes();
    let regions = regions(&good);
    assert_eq!(regions.len(), 7, "{regions:?}");
    let next = AtomicUsize::new(0);
    let cases = regions.len() * WAYS.len() * ROUNDS;
    let work = || {
        let readers = Readers::new();
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases {
                readers.expect_clean(&good);
                return;
            }
            let (number, way) = (case % regions.len(), WAYS[case / regions.len() % WAYS.len()]);
            let mut chance = Chance(case as u64);
            // Zeros over zeros alter nothing.
            let bad = std::iter::repeat_with(|| alter(&good, &regions, number, way, &mut chance))
                .find(|bad| *bad != good)
                .expect("it never ends");
            for what in readers.refusals(&bad, ["relocate", "namespace"][case % 2], MEMORY) {
                let region = &regions[number].0;
                assert!(
                    names(&what, &good, &bad, &regions),
                    "case {case}, {way:?} in {region}: {what}"
                );
            }
        }
    };
    // A thread that panics makes the scope panic.
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let regions = regions.len();
    say(&format!("altered: {cases} cases in {regions} regions, each refused by five readers"));
}
