//! Which ranges of the new file are asked for.

use std::ops::Range;

/// Bytes of a gap between two ranges that are fetched with them, and thrown away.
///
/// A request of its own takes a round trip. In the 50 ms of one, a line of 10 Mbit/s carries about so many bytes.
const GAP: u64 = 64 << 10;

/// Merges ranges that follow each other, or have at most [`GAP`] bytes between them. They are given in the order of the
/// file and do not overlap.
pub(crate) fn merge(wanted: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        match merged.last_mut() {
            Some(last) if range.start.saturating_sub(last.end) <= GAP => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Bytes of ranges.
pub(crate) fn len(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// The end of the range that has a byte in it.
pub(crate) fn end(ranges: &[Range<u64>], at: u64) -> Option<u64> {
    let before = ranges.partition_point(|range| range.end <= at);
    ranges.get(before).filter(|range| range.contains(&at)).map(|range| range.end)
}

// A list of one range is what is meant.
#[allow(clippy::single_range_in_vec_init)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_small_gaps_are_merged() {
        for (wanted, expected) in [
            (vec![], vec![]),
            (vec![0..10], vec![0..10]),
            (vec![0..10, 10..20, 20..30], vec![0..30]),
            (vec![0..10, 10 + GAP..100_000], vec![0..100_000]),
            (vec![0..10, 11 + GAP..100_000], vec![0..10, 11 + GAP..100_000]),
            (vec![5..10, 20..30, 1 << 20..1 << 21], vec![5..30, 1 << 20..1 << 21]),
        ] {
            let merged = merge(wanted.clone());
            assert_eq!(merged, expected);
            for range in wanted {
                assert!(end(&merged, range.start).is_some_and(|end| end >= range.end));
                assert!(end(&merged, range.end - 1).is_some());
            }
        }
        let ranges = [0..10, 20..30];
        for (at, expected) in [(0, Some(10)), (9, Some(10)), (10, None), (20, Some(30)), (30, None)]
        {
            assert_eq!(end(&ranges, at), expected, "{at}");
        }
        assert_eq!(len(&ranges), 20);
    }
}
