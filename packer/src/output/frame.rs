//! Frames: pieces of the tar stream, each compressed on its own.

mod cache;

use std::collections::{BTreeMap, BTreeSet};

use format::{Compression, HASH_TEXT_LEN};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use crate::error::{Error, Result};
use crate::source::reference::Hashes;
pub(crate) use cache::FrameCache;

/// The highest level with ordinary frames; zstd calls the levels above it "ultra".
const ORDINARY: i32 = 19;

/// The lowest level at which zstd searches the whole frame for matches; below it, the gain is not worth the time.
const WHOLE_WINDOW: i32 = 16;

/// Returns the largest number of bytes of the tar stream in one frame; a power of two.
///
/// Larger frames compress better. Smaller frames keep more threads busy and need less memory to unpack: with
/// 16 MiB, unpacking on two processors stays below 64 MiB. Who chooses a level above 19 wants the smallest file.
/// Changing these numbers does not break old bundles.
pub(crate) fn max_len(level: i32) -> u64 {
    if level <= ORDINARY { 16 << 20 } else { 64 << 20 }
}

/// Bytes of input in zstd's largest block.
const BLOCK_LEN: usize = 128 << 10;

/// Returns what zstd is told to do at a level, 1 to 22.
///
/// zstd's search tree has two entries for each byte. Level 19 alone has half of them: 0.1 % larger files.
pub(crate) fn compression(level: i32) -> Compression {
    let log = |len: u64| u8::try_from(len.ilog2()).unwrap_or_default();
    let (window_log, chain_log) = match level >= WHOLE_WINDOW {
        true => (log(max_len(level)), log(2 * max_len(level))),
        false => (0, 0),
    };
    let level = u8::try_from(level).unwrap_or_default();
    Compression { zstd: zstd_safe::version_number(), level, window_log, chain_log }
}

/// The limit on compressing a frame again to break up hashes.
const ATTEMPTS: usize = 8;

/// A piece of the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// The end of a tar entry, where a frame may end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boundary {
    pub(crate) end: u64,
    /// A number derived from the entry's content. Among possible ends, a frame takes the one with the lowest rank.
    pub(crate) rank: u64,
}

/// Cuts the stream from `start` on into spans of at most `max` bytes; most have more than 7/8 of `max`.
///
/// A span ends where a tar entry ends. Only an entry that is larger than `max` is cut itself, so the size of a
/// frame is limited for files of any size. The ends depend only on the contents: soon after a changed file, the
/// spans are the same as before, and need not be compressed again.
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

/// Compresses `input` into one frame that contains none of `hashes` as text.
///
/// zstd stores bytes that it cannot compress as they are. A store hash among them would be in the bundle as
/// text, and Nix would take it for a reference. A block that ends in the middle of such a hash breaks it up.
///
/// # Errors
///
/// If zstd fails, or the frame still contains a hash after all attempts.
fn compress(input: &[u8], level: i32, hashes: &Hashes) -> Result<Vec<u8>> {
    compress_hidden(input, compression(level), hashes).map(|(output, _)| output)
}

/// Compresses as [`FrameCache::compress`], with these settings. Returns also the positions at which [`compress_blocks`] ended a block.
///
/// # Errors
///
/// As [`FrameCache::compress`].
pub(crate) fn compress_hidden(
    input: &[u8],
    settings: Compression,
    hashes: &Hashes,
) -> Result<(Vec<u8>, BTreeSet<usize>)> {
    let mut breaks = first_breaks(input, hashes);
    for _ in 0..ATTEMPTS {
        let output = compress_blocks(input, settings, &breaks)?;
        let mut visible = BTreeSet::new();
        hashes.find(&output, |_, number| {
            visible.insert(number);
        });
        if visible.is_empty() {
            return Ok((output, breaks));
        }
        hashes.find(input, |at, number| {
            if visible.contains(&number) {
                breaks.insert(at + HASH_TEXT_LEN / 2);
            }
        });
    }
    Err(Error::HashInOutput)
}

/// Returns a position inside the first occurrence of each hash, or nothing if these are too many.
///
/// Mostly, zstd finds later occurrences as matches of the first, so only the first can be in the output. Breaking it
/// up saves most second attempts, which take as long as the first: markov-slim at level 19 took twice the time without
/// it. A block in every [`BLOCK_LEN`] bytes costs nearly nothing: 74 of 5 375 181 bytes were measured. More would.
fn first_breaks(input: &[u8], hashes: &Hashes) -> BTreeSet<usize> {
    let mut firsts = BTreeMap::new();
    hashes.find(input, |at, number| {
        firsts.entry(number).or_insert(at + HASH_TEXT_LEN / 2);
    });
    match firsts.len() <= input.len() / BLOCK_LEN {
        true => firsts.into_values().collect(),
        false => BTreeSet::new(),
    }
}

/// Compresses `input` and ends a block at each position in `breaks`, which are inside of it.
///
/// # Errors
///
/// If zstd fails.
pub(crate) fn compress_blocks(
    input: &[u8],
    settings: Compression,
    breaks: &BTreeSet<usize>,
) -> Result<Vec<u8>> {
    let failed = |code| Error::Zstd { message: zstd_safe::get_error_name(code) };
    // A new context each time, so that the output depends only on the arguments.
    let mut context = CCtx::create();
    let Compression { level, window_log, chain_log, .. } = settings;
    // 0 is zstd's own choice.
    for parameter in [
        CParameter::CompressionLevel(level.into()),
        CParameter::WindowLog(window_log.into()),
        CParameter::ChainLog(chain_log.into()),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    // This writes the length to the frame header. There is no checksum: the index has a digest of each frame.
    context.set_pledged_src_size(Some(input.len() as u64)).map_err(failed)?;
    // Each break adds at most one block header and one literals section header.
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

    /// Returns the ends of spans of at most 100 bytes; the rank of each entry is its length.
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
            // The lowest rank after 7/8 of the limit.
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
                    .first(&compress_blocks(&input, compression(level), &BTreeSet::new()).unwrap())
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
