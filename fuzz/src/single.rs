//! One part alone: there is one encoding for each value, so what was decoded is encoded to the same bytes.

use format::{DESCRIPTOR_LEN, Descriptor, Digest, Index, Manifest, SeekTable, checksum};

use crate::parts::encode_index;

/// The note in an ELF file, or a descriptor: up to its last used byte, with a checksum and a digest made right.
pub(crate) fn descriptor(data: &[u8]) -> bool {
    if data.starts_with(b"\x7fELF") {
        return packer::fuzz::note(data).is_some_and(|note| Descriptor::decode(note).is_ok());
    }
    let Some(bytes) = sealed(data) else { return false };
    let Ok((descriptor, _)) = Descriptor::decode(&bytes) else { return false };
    assert_eq!(Descriptor::check_digest(&bytes), Ok(()));
    assert!(descriptor.encode() == Ok(bytes), "two encodings of {descriptor:?}");
    true
}

/// Bytes of a descriptor before its checksum: the version and the length of the body.
const HEAD: usize = 8;

/// Bytes of a descriptor before its body: the checksum and the digest come between.
pub const DESCRIPTOR_BODY: usize = HEAD + 8 + 32;

fn sealed(data: &[u8]) -> Option<[u8; DESCRIPTOR_LEN]> {
    let mut bytes = [0; DESCRIPTOR_LEN];
    bytes.get_mut(..data.len())?.copy_from_slice(data);
    let (head, body) = (data.get(..HEAD)?, data.get(DESCRIPTOR_BODY..)?);
    let len = u32::try_from(body.len()).ok()?.to_le_bytes();
    let head = [&head[..4], &len].concat();
    let digest = Digest::of(&[&head, body].concat());
    bytes[..HEAD].copy_from_slice(&head);
    bytes[HEAD..HEAD + 8].copy_from_slice(&checksum(&[&head, &digest.0, body]));
    bytes[HEAD + 8..DESCRIPTOR_BODY].copy_from_slice(&digest.0);
    Some(bytes)
}

/// A seek table.
pub(crate) fn seek_table(data: &[u8]) -> bool {
    let Ok(table) = SeekTable::decode(data) else { return false };
    assert!(table.encode().as_deref() == Ok(data), "two encodings of {table:?}");
    true
}

/// A manifest.
pub(crate) fn manifest(data: &[u8]) -> bool {
    let Ok(manifest) = Manifest::decode(data) else { return false };
    assert!(manifest.encode().as_deref() == Ok(data), "two encodings of {manifest:?}");
    true
}

/// An index, behind the number of store paths and the length of the tar stream.
pub(crate) fn index(data: &[u8]) -> bool {
    let Some((paths, rest)) = data.split_first() else { return false };
    let Some((tar_len, bytes)) = rest.split_first_chunk() else { return false };
    let Ok(index) = Index::decode(bytes, (*paths).into(), u32::from_le_bytes(*tar_len).into())
    else {
        return false;
    };
    assert!(encode_index(&index, &index.frames) == bytes, "two encodings of {index:?}");
    true
}
