//! A fuzz target that rewrites references, as unpacking does, and restores them, as verifying does.

use format::{
    Digest, Extent, Index, Kind, Manifest, NodeContent, PackedPath, REFERENCE_LEN, Reference,
    StorePath,
};
use runtime::unpack::rewrite::Rewriter;

/// Target: rewrites and restores the references of a file, in pieces of different lengths.
///
/// The input: the length of the pieces; the number of references; for each reference, the number of bytes before it
/// and its store path; the other bytes of the file.
pub(crate) fn relocation(data: &[u8]) -> bool {
    let Some((&[piece, count], rest)) = data.split_first_chunk() else { return false };
    let Some((gaps, mut rest)) = rest.split_at_checked(2 * usize::from(count)) else {
        return false;
    };
    let manifest = manifest();
    let (mut file, mut references) = (Vec::new(), Vec::new());
    for gap in gaps.chunks_exact(2) {
        let (before, behind) = rest.split_at(rest.len().min(gap[0].into()));
        let path = u32::from(gap[1]) % 2;
        file.extend_from_slice(before);
        references.push(Reference { offset: file.len() as u64, path });
        file.extend_from_slice(&manifest.paths[path as usize].path.reference());
        rest = behind;
    }
    file.extend_from_slice(rest);

    let mut writer = Index::writer(&[], 2).expect("small");
    let content = Extent { start: 0, len: file.len() as u64 };
    let content = NodeContent::File {
        executable: false,
        content,
        references: &references,
        checked_pyc: false,
    };
    writer.node(None, b"", &content).expect("small");
    writer.node(None, b"", &NodeContent::Directory).expect("small");
    let bytes = writer.finish();
    let index = Index::decode(&bytes, 2, file.len() as u64).expect("it is one");
    let Kind::File { references: indexed, .. } = index.nodes[0].kind else { return false };

    let rewriter = Rewriter::new(b"/home/alice/.cache/packed", &manifest).expect("it fits");
    let piece = usize::from(piece) + 1;
    let mut relocated = file.clone();
    for (number, bytes) in relocated.chunks_mut(piece).enumerate() {
        rewriter.rewrite(indexed, (number * piece) as u64, bytes);
    }
    let mut expected = file.clone();
    for reference in references {
        let at = usize::try_from(reference.offset).expect("in the file");
        let key = manifest.paths[reference.path as usize].key;
        let text = format::replacement(b"/home/alice/.cache/packed", key).expect("it fits");
        expected[at..at + REFERENCE_LEN].copy_from_slice(&text);
    }
    assert!(relocated == expected, "in pieces of {piece}");
    for (number, bytes) in relocated.chunks_mut(piece + 7).enumerate() {
        assert!(rewriter.restore(indexed, (number * (piece + 7)) as u64, bytes));
    }
    assert!(relocated == file, "in pieces of {piece}");
    true
}

fn manifest() -> Manifest {
    let path = |base_name: &[u8]| PackedPath {
        path: StorePath::parse(base_name).expect("a base name"),
        nar_hash: Digest::of(b""),
        nar_len: 0,
        key: Digest::of(base_name),
        references: Vec::new(),
        is_partial: false,
        info: None,
    };
    let paths =
        [&b"1b9p07z77phvv2hf6gm9f28syp39f1ag-one"[..], b"mdqbvva59jscqy50km1a26xisr7vsjz5-two"];
    Manifest { paths: paths.map(path).into(), ..Manifest::default() }
}
