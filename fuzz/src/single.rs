//! Fuzz targets for single parts. Each value has only one encoding, so encoding gives the decoded bytes again.

use format::{
    BUNDLE_VERSION, DELTA_START_LEN, DESCRIPTOR_LEN, Delta, DeltaStart, Descriptor, Digest, Index,
    Manifest, SeekTable, checksum,
};

use crate::parts::encode_index;

/// Target: an ELF file with a note, or the used bytes of a descriptor, whose checksum and digest it corrects.
pub(crate) fn descriptor(data: &[u8]) -> bool {
    if data.starts_with(b"\x7fELF") {
        return packer::fuzz::note(data).is_some_and(|note| Descriptor::decode(note).is_ok());
    }
    let Some(bytes) = sealed(data) else { return false };
    let Ok((descriptor, _)) = Descriptor::decode(&bytes) else { return false };
    assert_eq!(Descriptor::check_digest(&bytes), Ok(()));
    let encoded = descriptor.encode();
    if descriptor.version == BUNDLE_VERSION {
        assert!(encoded == Ok(bytes), "two encodings of {descriptor:?}");
    } else {
        // An older version is read, and only the newest is written.
        let newest = Descriptor { version: BUNDLE_VERSION, ..descriptor };
        let decoded = encoded.and_then(|bytes| Descriptor::decode(&bytes));
        assert!(decoded.is_ok_and(|(decoded, _)| decoded == newest), "{newest:?} is another");
    }
    true
}

/// Bytes of a descriptor before its checksum: the version and the length of the body.
const HEAD: usize = 8;

/// Bytes of a descriptor before its body: the head, the checksum and the digest.
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

/// Target: a seek table.
pub(crate) fn seek_table(data: &[u8]) -> bool {
    let Ok(table) = SeekTable::decode(data) else { return false };
    assert!(table.encode().as_deref() == Ok(data), "two encodings of {table:?}");
    true
}

/// Bytes of a delta's start before its digest: the magic bytes, the version and the length of the head.
const DELTA_DIGEST: usize = 16;

/// Target: the start and the head of a delta, whose length and digest it corrects.
pub(crate) fn delta(data: &[u8]) -> bool {
    let mut bytes = data.to_vec();
    let Some((start, head)) = bytes.split_first_chunk_mut::<DELTA_START_LEN>() else {
        return false;
    };
    let Ok(len) = u32::try_from(head.len()) else { return false };
    start[DELTA_DIGEST - 4..DELTA_DIGEST].copy_from_slice(&len.to_le_bytes());
    let digest = Digest::of(&[&start[..DELTA_DIGEST], head].concat());
    start[DELTA_DIGEST..].copy_from_slice(&digest.0);
    let Ok(delta) = DeltaStart::decode(start).and_then(|start| Delta::decode(&start, head)) else {
        return false;
    };
    assert!(delta.encode().as_deref() == Ok(bytes.as_slice()), "two encodings of {delta:?}");
    true
}

/// Target: a manifest.
pub(crate) fn manifest(data: &[u8]) -> bool {
    let Ok(manifest) = Manifest::decode(data, format::BUNDLE_VERSION) else { return false };
    assert!(manifest.encode().as_deref() == Ok(data), "two encodings of {manifest:?}");
    true
}

/// Target: the number of store paths, the length of the tar stream, then an index.
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
