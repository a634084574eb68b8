//! Chooses the layers of an image: which store paths are in one.

use std::collections::BTreeMap;

/// Bytes of a store path that gets a layer of its own. Below that, a request to a registry takes longer than the bytes.
const LARGE: u64 = 1 << 20;

/// A store path, for the choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// Bytes of its files.
    pub(crate) len: u64,
    /// The numbers of the store paths that it refers to.
    pub(crate) references: &'a [u32],
    /// Whether an entry is in it.
    pub(crate) is_entry: bool,
}

/// Returns the numbers of the store paths of each layer: at most `max` layers, which is 1 or more.
///
/// Who updates a program sends its layer again and no other, so the entries' store paths are the last layer; images of
/// other programs share the rest. A large store path is a layer, so that each is sent once. Small ones of the same depth
/// are one: the depth is the number of references on the longest way down, so what changes together is near each other.
/// If there are too many, the smallest of the large ones join the small ones, and neighbouring depths become one.
pub(crate) fn choose(parts: &[Part<'_>], max: usize) -> Vec<Vec<usize>> {
    let depths = depths(parts);
    let (last, mut rest): (Vec<usize>, Vec<usize>) =
        (0..parts.len()).partition(|number| parts[*number].is_entry);
    let max = max.saturating_sub(usize::from(!last.is_empty()));
    // The largest first.
    rest.sort_by_key(|number| (std::cmp::Reverse(parts[*number].len), *number));
    let large = rest.partition_point(|number| parts[*number].len >= LARGE);
    let by_depth = |large: usize| {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in &rest[large..] {
            groups.entry(depths[*number]).or_default().push(*number);
        }
        groups
    };
    // One layer of small ones is left at least.
    let fits = |large: &usize| large + by_depth(*large).len() <= max;
    let large = (0..=large).rev().find(fits).unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = rest[..large].iter().map(|number| vec![*number]).collect();
    let groups: Vec<Vec<usize>> = by_depth(large).into_values().collect();
    let left = max.saturating_sub(large).max(1);
    layers.extend(groups.chunks(groups.len().div_ceil(left).max(1)).map(<[Vec<usize>]>::concat));
    for layer in &mut layers {
        layer.sort_unstable();
    }
    layers.sort_by_key(|layer| (layer.iter().map(|number| depths[*number]).max(), layer[0]));
    layers.extend(Some(last).filter(|last| !last.is_empty()));
    layers
}

/// Returns for each store path the number of references on the longest way down. Store paths of Nix have no cycles; in a
/// cycle that a scan finds, all have the same depth.
fn depths(parts: &[Part<'_>]) -> Vec<usize> {
    let mut depths = vec![0; parts.len()];
    // No way has more steps.
    for _ in 0..parts.len() {
        let mut changed = false;
        for (number, part) in parts.iter().enumerate() {
            let below = part.references.iter().map(|below| *below as usize);
            let depth = below.filter(|below| *below != number).map(|below| depths[below] + 1).max();
            let depth = depth.unwrap_or(0).min(parts.len());
            changed |= depth != depths[number];
            depths[number] = depth;
        }
        if !changed {
            break;
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// glibc 0 ← ssl 1, zlib 2 ← python 3 ← program 4; data 5.
    const LENS: [u64; 6] = [30 * MIB, 4 * MIB, 1000, 60 * MIB, 2000, 10];
    const REFERENCES: [&[u32]; 6] = [&[0], &[0, 1], &[0], &[0, 1, 2], &[3, 5], &[]];

    fn layers(max: usize) -> Vec<Vec<usize>> {
        let part = |number: usize| Part {
            len: LENS[number],
            references: REFERENCES[number],
            is_entry: number == 4,
        };
        choose(&(0..6).map(part).collect::<Vec<_>>(), max)
    }

    #[test]
    fn large_ones_are_alone_and_the_program_is_last() {
        let all: Vec<&[usize]> = vec![&[0], &[5], &[1], &[2], &[3], &[4]];
        assert_eq!(layers(100), all);
        assert_eq!(layers(6), all);
    }

    #[test]
    fn there_are_never_too_many() {
        // ssl joins zlib, which has its depth.
        assert_eq!(layers(5), [&[0][..], &[5], &[1, 2], &[3], &[4]]);
        for max in 1..6 {
            let layers = layers(max);
            assert!(layers.len() <= max.max(2), "{max}: {layers:?}");
            assert_eq!(layers.last().unwrap(), &[4]);
            let mut all = layers.concat();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4, 5], "{max}");
        }
        assert_eq!(layers(2), [&[0, 1, 2, 3, 5][..], &[4]]);
    }

    #[test]
    fn cycles_and_nothing_have_layers() {
        let part = |references| Part { len: 1, references, is_entry: false };
        assert_eq!(choose(&[part(&[1]), part(&[0])], 10).concat(), [0, 1]);
        assert!(choose(&[], 10).is_empty());
    }
}
