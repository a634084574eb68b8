//! Files as they are → files that refer to the cache in place of `/nix/store`.

use alloc::ffi::CString;
use alloc::vec::Vec;

use format::{
    Digest, MODULE_CHECKED, MODULE_FLAGS, MODULE_UNCHECKED, Manifest, REFERENCE_LEN, References,
    StorePath, UnfitBase,
};

/// A reference, as it is or as it is in the cache.
type Bytes = [u8; REFERENCE_LEN];

/// What takes the place of each store path's reference.
#[derive(Debug)]
pub struct Relocation(Vec<Replaced>);

/// A store path's reference, and its replacement.
#[derive(Debug)]
struct Replaced {
    original: Bytes,
    replacement: Bytes,
}

impl Relocation {
    /// Computes the replacements for a cache at `base`.
    ///
    /// # Errors
    ///
    /// If the base is unfit.
    pub fn new(base: &[u8], manifest: &Manifest) -> Result<Relocation, UnfitBase> {
        let replaced = |path: &format::PackedPath| {
            Ok(Replaced {
                original: path.path.reference(),
                replacement: format::replacement(base, path.key)?,
            })
        };
        Ok(Relocation(manifest.paths.iter().map(replaced).collect::<Result<_, _>>()?))
    }

    /// Rewrites the references in `bytes`, which begin at `offset` of a file or a link's target.
    ///
    /// A reference may begin before these bytes or end after them: the part that is here is rewritten.
    pub fn rewrite(&self, references: References<'_>, offset: u64, bytes: &mut [u8]) {
        self.each(references, offset, bytes, |_, replacement, part| {
            part.copy_from_slice(replacement);
        });
    }

    /// Takes back what [`Relocation::rewrite`] did; `false` if something else stands in a reference's place.
    pub fn restore(&self, references: References<'_>, offset: u64, bytes: &mut [u8]) -> bool {
        let mut is_ours = true;
        self.each(references, offset, bytes, |original, replacement, part| {
            is_ours &= part == replacement;
            part.copy_from_slice(original);
        });
        is_ours
    }

    /// Calls `act` for each reference with what is in `bytes` of it: as it was, as it is in the cache, and as
    /// it is there.
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
            // The index's decoder knows the number of store paths.
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

/// Makes a compiled Python module valid without a look at its source, in which references were rewritten.
///
/// In a store nothing has to be checked: nobody changes a file. `bytes` begin at `offset` of the file.
pub fn trust_source(offset: u64, bytes: &mut [u8]) {
    flags(offset, bytes, MODULE_CHECKED, MODULE_UNCHECKED);
}

/// Takes back what [`trust_source`] did; `false` if something else is there.
pub fn check_source(offset: u64, bytes: &mut [u8]) -> bool {
    flags(offset, bytes, MODULE_UNCHECKED, MODULE_CHECKED)
}

/// Changes a module's flags if they are in `bytes`; `false` if they were others.
fn flags(offset: u64, bytes: &mut [u8], from: u8, to: u8) -> bool {
    let at = MODULE_FLAGS.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| bytes.get_mut(at)).is_none_or(|flags| core::mem::replace(flags, to) == from)
}

/// The relocated directory of a store path, for a cache at `base`.
///
/// # Errors
///
/// If the base is unfit.
pub fn directory(base: &[u8], key: Digest, path: &StorePath) -> Result<Vec<u8>, UnfitBase> {
    let mut directory: Vec<u8> = format::replacement(base, key)?.into();
    directory.push(b'-');
    directory.extend_from_slice(path.name().as_bytes());
    Ok(directory)
}

/// The same directory's name in the cache.
///
/// # Errors
///
/// If the base is unfit.
pub fn name(base: &[u8], key: Digest, path: &StorePath) -> Result<CString, UnfitBase> {
    let mut name = directory(base, key, path)?;
    name.drain(..=base.len());
    // Digits and a store path's name hold no NUL.
    Ok(CString::new(name).unwrap_or_default())
}

/// Whether `name` has the form of a relocated store path's name in a cache at `base`.
pub fn is_name(base: &[u8], name: &[u8]) -> bool {
    let Some(digits) = REFERENCE_LEN.checked_sub(base.len() + 1) else { return false };
    match name.split_at_checked(digits) {
        Some((key, rest)) => {
            rest.starts_with(b"-")
                && key.iter().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use format::{Content, Extent, Index, Kind, Reference};

    use super::*;

    /// Rewrites 100 bytes with references at 3 and 50 in pieces of `piece` bytes.
    fn rewritten(piece: usize) -> Vec<u8> {
        let references = [Reference { offset: 3, path: 0 }, Reference { offset: 50, path: 1 }];
        let content = Extent { start: 0, len: 100 };
        let mut writer = Index::writer(&[], 2).unwrap();
        let file = Content::File {
            executable: false,
            content,
            references: &references,
            checks_source: false,
        };
        writer.node(None, b"", &file).unwrap();
        writer.node(None, b"", &Content::Directory).unwrap();
        let bytes = writer.finish();
        let index = Index::decode(&bytes, 2, 100).unwrap();
        let Kind::File { references, .. } = index.nodes[0].kind else { panic!("not a file") };

        let replaced =
            |byte| Replaced { original: [b'o'; REFERENCE_LEN], replacement: [byte; REFERENCE_LEN] };
        let relocation = Relocation(vec![replaced(b'a'), replaced(b'b')]);
        let mut file = vec![b'.'; 100];
        for (number, bytes) in file.chunks_mut(piece).enumerate() {
            let offset = (number * piece) as u64;
            relocation.rewrite(references, offset, bytes);
            let mut back = bytes.to_vec();
            assert!(relocation.restore(references, offset, &mut back));
            assert!(back.iter().all(|byte| b".o".contains(byte)));
            // Whatever does not stand in the cache was altered.
            let is_reference = back.contains(&b'o');
            assert_eq!(relocation.restore(references, offset, &mut back), !is_reference);
        }
        file
    }

    #[test]
    fn names_have_a_form_of_their_own() {
        let base = b"/home/alice/.cache/packed";
        let path = StorePath::parse(b"1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc-2.33").unwrap();
        let name = name(base, Digest::of(b"key"), &path).unwrap();
        assert!(is_name(base, name.to_bytes()));
        for other in ["my-project", "stores", "0123456789abcdefg", "0123456789abcdefgh-long", ""] {
            assert!(!is_name(base, other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn modules_are_trusted_and_checked_again() {
        let module = b"\xa7\x0d\x0d\x0a\x03\0\0\0digest..";
        for piece in 1..=module.len() {
            let mut bytes = *module;
            let each = |bytes: &mut [u8], act: fn(u64, &mut [u8]) -> bool| {
                let pieces = bytes.chunks_mut(piece).enumerate();
                pieces.fold(true, |all, (number, bytes)| all & act((number * piece) as u64, bytes))
            };
            let trust = |offset, bytes: &mut [u8]| {
                trust_source(offset, bytes);
                true
            };
            each(&mut bytes, trust);
            assert_eq!(&bytes, b"\xa7\x0d\x0d\x0a\x01\0\0\0digest..", "pieces of {piece}");
            assert!(each(&mut bytes, check_source));
            assert_eq!(&bytes, module, "pieces of {piece}");
            assert!(!each(&mut bytes, check_source), "these are not the flags we gave it");
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
