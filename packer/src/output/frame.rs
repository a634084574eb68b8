//! Frames: the tar stream cut into pieces and compressed, each for itself.

mod cache;

use std::collections::BTreeSet;

use format::HASH_TEXT_LEN;
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use crate::error::{Error, Result};
use crate::source::reference::Hashes;
pub(crate) use cache::FrameCache;

/// zstd's highest level for ordinary frames.
const ORDINARY: i32 = 19;

/// The level from which zstd looks for matches in the whole of a frame; below it the time is not worth it.
const WHOLE_WINDOW: i32 = 16;

/// Bytes of the tar stream in a frame, at most; a power of two.
///
/// Larger frames compress better, smaller ones keep more threads busy and need less memory where they are
/// unpacked: 16 MiB on two processors stay below 64 MiB. The levels above zstd's ordinary ones ask for
/// the smallest file. Old bundles stay readable when it changes.
pub(crate) fn max_len(level: i32) -> u64 {
    if level <= ORDINARY { 16 << 20 } else { 64 << 20 }
}

/// How often a frame is compressed again to break up hashes.
const ATTEMPTS: usize = 8;

/// A piece of the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// A place where an entry of the stream ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boundary {
    pub(crate) end: u64,
    /// A number from the entry's content: of several places a frame ends at the one with the lowest.
    pub(crate) rank: u64,
}

/// Cuts the stream from `start` on into spans of at most `max` bytes, mostly more than seven eighths of it.
///
/// A span ends where an entry does; only an entry that is larger than `max` is cut itself, so that no
/// frame is larger, however large a file is. Where it ends depends on contents alone: behind a
/// file that changed, spans soon are as they were before, and need not be compressed again.
pub(crate) fn cut(mut start: u64, mut boundaries: &[Boundary], max: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    while let Some(last) = boundaries.last() {
        let within = |len| boundaries.partition_point(|boundary| boundary.end - start <= len);
        let reach = &boundaries[..within(max)];
        let end = if reach.len() == boundaries.len() {
            last.end
        } else {
            let far = &reach[within(max / 8 * 7)..];
            let chosen = far.iter().min_by_key(|boundary| boundary.rank).or(reach.last());
            chosen.map_or(start + max, |boundary| boundary.end)
        };
        spans.push(Span { start, len: end - start });
        boundaries = &boundaries[boundaries.partition_point(|boundary| boundary.end <= end)..];
        start = end;
    }
    spans
}

/// Compresses `input` into one frame that shows none of `hashes`.
///
/// Where zstd leaves bytes as they are, a store hash would stand in the bundle as text, and Nix would
/// take it for a reference. Such a hash is broken up by ending a block in the middle of it.
///
/// # Errors
///
/// If zstd fails, or a hash still shows.
fn compress(input: &[u8], level: i32, hashes: &Hashes) -> Result<Vec<u8>> {
    let mut breaks = BTreeSet::new();
    for _ in 0..ATTEMPTS {
        let output = compress_blocks(input, level, &breaks)?;
        let mut showing = BTreeSet::new();
        hashes.find(&output, |_, number| {
            showing.insert(number);
        });
        if showing.is_empty() {
            return Ok(output);
        }
        hashes.find(input, |at, number| {
            if showing.contains(&number) {
                breaks.insert(at + HASH_TEXT_LEN / 2);
            }
        });
    }
    Err(Error::HashInOutput)
}

/// Compresses with a block's end at each of `breaks`.
fn compress_blocks(input: &[u8], level: i32, breaks: &BTreeSet<usize>) -> Result<Vec<u8>> {
    let failed = |code| Error::Zstd { message: zstd_safe::get_error_name(code) };
    // A fresh context each time: the output then depends on nothing else.
    let mut context = CCtx::create();
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
    if level >= WHOLE_WINDOW {
        let window = CParameter::WindowLog(max_len(level).ilog2());
        context.set_parameter(window).map_err(failed)?;
    }
    // The index has a digest of each frame: no checksum. The length is in the frame's header.
    context.set_pledged_src_size(Some(input.len() as u64)).map_err(failed)?;
    // Each break adds at most a block's header and a literals section's.
    let bound = zstd_safe::compress_bound(input.len()) + breaks.len() * 16;
    let mut output = vec![0; bound];
    let mut written = OutBuffer::around(output.as_mut_slice());
    let mut start = 0;
    for end in breaks.iter().copied().chain([input.len()]) {
        let mut piece = InBuffer::around(&input[start..end]);
        let directive = match end == input.len() {
            true => ZSTD_EndDirective::ZSTD_e_end,
            false => ZSTD_EndDirective::ZSTD_e_flush,
        };
        while context.compress_stream2(&mut written, &mut piece, directive).map_err(failed)? > 0 {
            if written.pos() == bound {
                return Err(Error::Zstd { message: "output is too long" });
            }
        }
        start = end;
    }
    let len = written.pos();
    output.truncate(len);
    Ok(output)
}

#[cfg(test)]
pub(crate) mod tests {
    use format::StorePath;

    use super::*;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV};

    /// Where spans of at most 100 bytes end; each entry's rank is its length.
    fn ends(start: u64, lens: &[u64]) -> Vec<u64> {
        let mut end = start;
        let boundary = |len: &u64| {
            end += len;
            Boundary { end, rank: *len }
        };
        let boundaries: Vec<Boundary> = lens.iter().map(boundary).collect();
        cut(start, &boundaries, 100).iter().map(|span| span.start + span.len).collect()
    }

    #[test]
    fn spans_end_at_entries() {
        for (lens, expected) in [
            (&[50, 50, 10][..], &[100, 110][..]),
            (&[50, 51], &[50, 101]),
            (&[350], &[100, 200, 300, 350]),
            (&[30, 320, 40, 20], &[30, 130, 230, 330, 410]),
            (&[30, 100, 1], &[30, 130, 131]),
            (&[100, 100], &[100, 200]),
            // The lowest rank behind seven eighths.
            (&[80, 2, 9, 3, 4, 90], &[94, 188]),
            (&[], &[]),
        ] {
            assert_eq!(ends(0, lens), expected, "{lens:?}");
            let later: Vec<u64> = expected.iter().map(|end| end + 1000).collect();
            assert_eq!(ends(1000, lens), later, "{lens:?}");
        }
    }

    #[test]
    fn a_change_moves_few_ends() {
        let noise = noise(2001);
        let mut lens: Vec<u64> = noise.iter().map(|byte| u64::from(byte % 8) + 1).collect();
        let before = ends(0, &lens);
        lens[1000] += 5;
        let after = ends(0, &lens);
        let same = before.iter().filter(|end| after.contains(end) || after.contains(&(*end + 5)));
        assert!(same.count() + 3 > before.len(), "{before:?} {after:?}");
    }

    fn hashes() -> Hashes {
        Hashes::new(
            [GLIBC, BASH, MARKOV]
                .map(|base_name| StorePath::parse(base_name.as_bytes()).unwrap().hash()),
        )
    }

    fn round_trip(input: &[u8], level: i32) -> Vec<u8> {
        let frame = compress(input, level, &hashes()).unwrap();
        assert_eq!(hashes().first(&frame), None);
        let len = zstd_safe::get_frame_content_size(&frame).unwrap();
        assert_eq!(len, Some(input.len() as u64));
        let mut output = vec![0; input.len()];
        assert_eq!(zstd_safe::decompress(output.as_mut_slice(), &frame), Ok(input.len()));
        assert!(output == input);
        frame
    }

    /// Bytes that do not compress: a linear congruential generator's high bits.
    pub(crate) fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn tiny_inputs_show_no_hash() {
        for input in ["", "x", GLIBC, &GLIBC[..32]] {
            round_trip(input.as_bytes(), 19);
        }
        round_trip(format!("/nix/store/{GLIBC}\0/nix/store/{BASH}{MARKOV}").as_bytes(), 3);
    }

    #[test]
    fn hashes_in_noise_do_not_show() {
        let noise = noise(300_000);
        for level in [1, 3, 19] {
            let mut input = Vec::new();
            for (number, piece) in noise.chunks(1000).enumerate() {
                input.extend_from_slice(piece);
                input.extend_from_slice([GLIBC, BASH, MARKOV][number % 3].as_bytes());
            }
            assert!(
                hashes()
                    .first(&compress_blocks(&input, level, &BTreeSet::new()).unwrap())
                    .is_some()
            );
            round_trip(&input, level);
        }
    }

    #[test]
    fn same_input_gives_same_bytes() {
        let input = noise(100_000);
        assert!(round_trip(&input, 3) == round_trip(&input, 3));
    }
}
