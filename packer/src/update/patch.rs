//! Patches: zstd frames that need a prefix, as `zstd --patch-from` makes them.

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer};

use crate::error::{Error, Result};

/// The compression level of patches: most of a patch is long matches, which every level finds.
const LEVEL: i32 = 15;

/// The largest window that zstd allows on every machine, as a binary logarithm.
const LARGEST_WINDOW: u32 = 30;

/// Compresses a content that resembles the prefix.
///
/// # Errors
///
/// If zstd fails.
pub(super) fn make(content: &[u8], prefix: &[u8]) -> Result<Vec<u8>> {
    let failed = |code| Error::Zstd { message: zstd_safe::get_error_name(code) };
    let mut context = CCtx::create();
    // The window covers both, so that all of the prefix can be referred to up to the end.
    let both = (content.len() + prefix.len()).max(1);
    let window = (both.next_power_of_two().ilog2()).clamp(10, LARGEST_WINDOW);
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window),
        CParameter::EnableLongDistanceMatching(true),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.set_pledged_src_size(Some(content.len() as u64)).map_err(failed)?;
    context.ref_prefix(prefix).map_err(failed)?;
    let mut output = vec![0; zstd_safe::compress_bound(content.len())];
    let mut written = OutBuffer::around(output.as_mut_slice());
    let mut input = InBuffer::around(content);
    let end = ZSTD_EndDirective::ZSTD_e_end;
    while context.compress_stream2(&mut written, &mut input, end).map_err(failed)? > 0 {}
    let len = written.pos();
    output.truncate(len);
    Ok(output)
}

/// Returns the content of a patch; `None` if it is not one for this prefix whose content has `len` bytes.
///
/// A patch for another prefix can give another content: the caller compares digests.
pub(super) fn apply(patch: &[u8], prefix: &[u8], len: usize) -> Option<Vec<u8>> {
    if zstd_safe::get_frame_content_size(patch).ok().flatten() != Some(len as u64) {
        return None;
    }
    let mut content = Vec::new();
    content.try_reserve_exact(len).ok()?;
    content.resize(len, 0);
    let mut context = DCtx::try_create()?;
    context.ref_prefix(prefix).ok()?;
    (context.decompress(content.as_mut_slice(), patch) == Ok(len)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::frame::tests::noise;

    #[test]
    fn patch_is_small_and_gives_the_content() {
        let old = noise(300_000);
        let mut new = old.clone();
        new.splice(100_000..100_010, *b"inserted here");
        new.truncate(290_000);
        let patch = make(&new, &old).unwrap();
        assert!(patch.len() < 200, "{}", patch.len());
        assert!(apply(&patch, &old, new.len()).unwrap() == new);
        assert!(apply(&patch, &old, new.len() - 1).is_none());
        assert!(apply(&patch, &old[1..], new.len()).is_none_or(|other| other != new));
        assert!(apply(&patch[..patch.len() - 1], &old, new.len()).is_none());
        assert!(apply(b"", b"", 0).is_none());
        assert_eq!(apply(&make(b"", b"").unwrap(), b"", 0).unwrap(), b"");
    }
}
