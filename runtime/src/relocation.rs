//! Files as they are → files that refer to the cache in place of `/nix/store`.

use alloc::ffi::CString;
use alloc::vec::Vec;

use format::{Digest, Manifest, REFERENCE_LEN, References, StorePath, UnfitBase};

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

/// Makes a compiled Python module valid without a look at its source.
///
/// One that holds a digest of its source (PEP 552), to be checked when it is loaded, would not be valid any
/// more where references in the source were rewritten: Python would compile the source at each start. In a
/// store nothing has to be checked, since nobody changes a file.
///
/// `module` are the first bytes of the file. The packer puts a file that it has to divide at the start of a
/// frame, so that the header is never divided.
pub fn trust_source(module: &mut [u8]) {
    // The end of the magic number, and the flags: the source's digest instead of its time, to be checked.
    // Python before 3.7 has the time in place of the flags: 3, which no file of a store has.
    const CHECKED: [u8; 6] = *b"\r\n\x03\0\0\0";
    const UNCHECKED: [u8; 6] = *b"\r\n\x01\0\0\0";
    if let Some(header) = module.get_mut(2..8).filter(|header| **header == CHECKED) {
        header.copy_from_slice(&UNCHECKED);
    }
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
        let file = Content::File { executable: false, content, references: &references };
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
    fn only_a_check_of_the_sources_digest_is_left_out() {
        for (module, expected) in [
            (
                &b"\xa7\x0d\x0d\x0a\x03\0\0\0digest.."[..],
                &b"\xa7\x0d\x0d\x0a\x01\0\0\0digest.."[..],
            ),
            (b"\xa7\x0d\x0d\x0a\x01\0\0\0digest..", b"\xa7\x0d\x0d\x0a\x01\0\0\0digest.."),
            (b"\xa7\x0d\x0d\x0a\0\0\0\0\x01\0\0\0size", b"\xa7\x0d\x0d\x0a\0\0\0\0\x01\0\0\0size"),
            (b"text\x03\0\0\0", b"text\x03\0\0\0"),
            (b"\xa7\x0d\x0d\x0a\x03", b"\xa7\x0d\x0d\x0a\x03"),
        ] {
            let mut bytes = module.to_vec();
            trust_source(&mut bytes);
            assert_eq!(bytes, expected, "{}", module.escape_ascii());
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
