//! Message catalogues of gettext: a message is found by its original text, through a hash table or an order.
//!
//! The header has, in the byte order of its magic number: magic, revision, count, and where the tables of originals and
//! of translations are. A row of a table is a length and an offset. (GNU gettext, "The Format of GNU MO Files")

/// The magic number of a little-endian catalogue, and of a big-endian one.
pub(super) const LITTLE: &[u8] = b"\xde\x12\x04\x95";
pub(super) const BIG: &[u8] = b"\x95\x04\x12\xde";

/// Whether a file that begins so is a catalogue.
pub(super) fn is_catalogue(head: &[u8]) -> bool {
    head.starts_with(LITTLE) || head.starts_with(BIG)
}

/// Whether one of the positions is in an original text.
pub(super) fn is_in_original(catalogue: &[u8], mut positions: impl Iterator<Item = u64>) -> bool {
    let is_big = catalogue.starts_with(BIG);
    let number = |at: u64| {
        let at = usize::try_from(at).ok()?;
        let bytes = *catalogue.get(at..)?.first_chunk::<4>()?;
        Some(u64::from(if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
    };
    let (Some(count), Some(table)) = (number(8), number(12)) else { return false };
    let rows = (0..count).map_while(|row| {
        let row = table + 8 * row;
        Some((number(row + 4)?, number(row)?))
    });
    let originals: Vec<(u64, u64)> = rows.collect();
    positions.any(|at| originals.iter().any(|(start, len)| (*start..start + len).contains(&at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn originals_are_told_from_translations() {
        for is_big in [false, true] {
            let word =
                |number: u32| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
            // Two originals of 4 bytes at 60, two translations behind them.
            let header = [0x9504_12de, 0, 2, 28, 44, 0, 0];
            let tables = [4, 60, 4, 65, 4, 70, 4, 75];
            let words: Vec<u8> =
                header.iter().chain(&tables).flat_map(|number| word(*number)).collect();
            let catalogue = [&words[..], b"aaaa\0bbbb\0cccc\0dddd\0"].concat();
            for (at, expected) in
                [(0, false), (59, false), (60, true), (63, true), (68, true), (70, false)]
            {
                assert_eq!(is_in_original(&catalogue, [5, at].into_iter()), expected, "{at}");
            }
            assert!(!is_in_original(&catalogue[..20], [60].into_iter()));
        }
    }
}
