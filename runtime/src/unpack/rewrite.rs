//! Rewrites references from `/nix/store` to the cache, and back to check files.

use alloc::vec::Vec;

use format::{
    Manifest, PYC_CHECKED, PYC_FLAGS_OFFSET, PYC_UNCHECKED, REFERENCE_LEN, References, UnfitBase,
};

/// A reference, original or rewritten.
type Bytes = [u8; REFERENCE_LEN];

/// Rewrites references; it has a replacement for each store path.
#[derive(Debug)]
pub struct Rewriter(Vec<Replaced>);

/// A store path's reference and its replacement.
#[derive(Debug)]
struct Replaced {
    original: Bytes,
    replacement: Bytes,
}

impl Rewriter {
    /// Computes the replacements for a cache at `base`.
    ///
    /// # Errors
    ///
    /// If references cannot be rewritten to `base`.
    pub fn new(base: &[u8], manifest: &Manifest) -> Result<Rewriter, UnfitBase> {
        let replaced = |path: &format::PackedPath| {
            Ok(Replaced {
                original: path.path.reference(),
                replacement: format::replacement(base, path.key)?,
            })
        };
        Ok(Rewriter(manifest.paths.iter().map(replaced).collect::<Result<_, _>>()?))
    }

    /// Rewrites the references in `bytes`, which start at `offset` in a file or a link's target.
    ///
    /// A reference may start before `bytes` or end after them: only the part inside is rewritten.
    pub fn rewrite(&self, references: References<'_>, offset: u64, bytes: &mut [u8]) {
        self.each(references, offset, bytes, |_, replacement, part| {
            part.copy_from_slice(replacement);
        });
    }

    /// Undoes [`Rewriter::rewrite`]; returns `false` if other bytes are in a reference's place.
    pub fn restore(&self, references: References<'_>, offset: u64, bytes: &mut [u8]) -> bool {
        let mut is_ours = true;
        self.each(references, offset, bytes, |original, replacement, part| {
            is_ours &= part == replacement;
            part.copy_from_slice(original);
        });
        is_ours
    }

    /// Calls `act` for the part of each reference that is inside `bytes`. The arguments are that
    /// part of the original, of the replacement, and of `bytes`.
    fn each(
        &self,
        references: References<'_>,
        offset: u64,
        bytes: &mut [u8],
        mut act: impl FnMut(&[u8], &[u8], &mut [u8]),
    ) {
        let end = offset.saturating_add(bytes.len() as u64);
        for reference in references.iter() {
            let reference_end = reference.offset.saturating_add(REFERENCE_LEN as u64);
            if reference_end <= offset {
                continue;
            }
            if reference.offset >= end {
                break;
            }
            // Decoding the index has checked the number of the store path.
            let Replaced { original, replacement } = &self.0[reference.path as usize];
            let (from, to) = (reference.offset.max(offset), reference_end.min(end));
            // All differences are at most the length of a reference or of `bytes`.
            let part = |at: u64, start: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
            let inside = part(from, reference.offset)..part(to, reference.offset);
            act(
                &original[inside.clone()],
                &replacement[inside],
                &mut bytes[part(from, offset)..part(to, offset)],
            );
        }
    }
}

/// Makes Python load a compiled module without checking its source, in which references were
/// rewritten.
///
/// The check is not needed in a store, where no file changes. `bytes` start at `offset` in the
/// file.
pub fn skip_source_check(offset: u64, bytes: &mut [u8]) {
    replace_flags(offset, bytes, PYC_CHECKED, PYC_UNCHECKED);
}

/// Undoes [`skip_source_check`]; returns `false` if the flags are not those that it writes.
pub fn restore_source_check(offset: u64, bytes: &mut [u8]) -> bool {
    replace_flags(offset, bytes, PYC_UNCHECKED, PYC_CHECKED)
}

/// Changes a module's flags, if they are inside `bytes`; returns `false` if the old flags are not
/// `from`.
fn replace_flags(offset: u64, bytes: &mut [u8], from: u8, to: u8) -> bool {
    let at = PYC_FLAGS_OFFSET.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| bytes.get_mut(at)).is_none_or(|flags| core::mem::replace(flags, to) == from)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use format::{Extent, Index, Kind, NodeContent, Reference};

    use super::*;

    /// Rewrites 100 bytes with references at 3 and 50 in pieces of `piece` bytes.
    fn rewritten(piece: usize) -> Vec<u8> {
        let references = [Reference { offset: 3, path: 0 }, Reference { offset: 50, path: 1 }];
        let content = Extent { start: 0, len: 100 };
        let mut writer = Index::writer(&[], 2).unwrap();
        let file = NodeContent::File {
            executable: false,
            content,
            references: &references,
            checked_pyc: false,
        };
        writer.node(None, b"", &file).unwrap();
        writer.node(None, b"", &NodeContent::Directory).unwrap();
        let bytes = writer.finish();
        let index = Index::decode(&bytes, 2, 100).unwrap();
        let Kind::File { references, .. } = index.nodes[0].kind else { panic!("not a file") };

        let replaced =
            |byte| Replaced { original: [b'o'; REFERENCE_LEN], replacement: [byte; REFERENCE_LEN] };
        let rewriter = Rewriter(vec![replaced(b'a'), replaced(b'b')]);
        let mut file = vec![b'.'; 100];
        for (number, bytes) in file.chunks_mut(piece).enumerate() {
            let offset = (number * piece) as u64;
            rewriter.rewrite(references, offset, bytes);
            let mut back = bytes.to_vec();
            assert!(rewriter.restore(references, offset, &mut back));
            assert!(back.iter().all(|byte| b".o".contains(byte)));
            // Bytes that are not the replacement count as altered.
            let is_reference = back.contains(&b'o');
            assert_eq!(rewriter.restore(references, offset, &mut back), !is_reference);
        }
        file
    }

    #[test]
    fn source_check_is_skipped_and_restored() {
        let module = b"\xa7\x0d\x0d\x0a\x03\0\0\0digest..";
        for piece in 1..=module.len() {
            let mut bytes = *module;
            let each = |bytes: &mut [u8], act: fn(u64, &mut [u8]) -> bool| {
                let pieces = bytes.chunks_mut(piece).enumerate();
                pieces.fold(true, |all, (number, bytes)| all & act((number * piece) as u64, bytes))
            };
            let trust = |offset, bytes: &mut [u8]| {
                skip_source_check(offset, bytes);
                true
            };
            each(&mut bytes, trust);
            assert_eq!(&bytes, b"\xa7\x0d\x0d\x0a\x01\0\0\0digest..", "pieces of {piece}");
            assert!(each(&mut bytes, restore_source_check));
            assert_eq!(&bytes, module, "pieces of {piece}");
            assert!(!each(&mut bytes, restore_source_check), "these are not the flags we gave it");
        }
    }

    #[test]
    fn pieces_make_the_same_as_the_whole() {
        let whole = [&[b'.'; 3][..], &[b'a'; 43], &[b'.'; 4], &[b'b'; 43], &[b'.'; 7]].concat();
        for piece in [1, 2, 7, 43, 50, 99, 100] {
            assert_eq!(rewritten(piece), whole, "pieces of {piece}");
        }
    }
}
