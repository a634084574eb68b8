//! Deltas that are damaged, hostile or for another bundle: they are refused, the old bundle stays, and nothing is left.

use std::fs;

use format::{
    Compression, DELTA_START_LEN, Delta, DeltaPart, DeltaStart, Digest, Extent, Recipe, Rename,
    StoreHash,
};

use crate::files::Files;

/// Applies the delta; returns what packer says. Nothing may be changed.
fn refusal(files: &Files) -> (String, String) {
    let (old, names) = (files.read("old"), files.names());
    let refused = files.packer(&["apply", "old", "delta", "-o", "old"]).expect_refusal(1);
    assert!(files.read("old") == old, "the old bundle was changed");
    assert_eq!(files.names(), names, "something is left");
    refused
}

/// Splits a delta into its head and its parts.
fn split(bytes: &[u8]) -> (Delta, Vec<u8>) {
    let (start, rest) = bytes.split_first_chunk::<DELTA_START_LEN>().expect("a start");
    let start = DeltaStart::decode(start).expect("a start");
    let (head, parts) = rest.split_at(start.head_len as usize);
    (Delta::decode(&start, head).expect("a head"), parts.to_vec())
}

#[test]
fn damage_is_found_wherever_it_is() {
    let files = Files::small();
    let good = files.delta(&[]);
    let step = good.len() / 40 + 1;
    let ends = [0, 8, 12, 16, 47, 48, good.len() - 1];
    for at in (0..good.len()).step_by(step).chain(ends) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        files.write("delta", &bad);
        let (what, _) = refusal(&files);
        assert!(
            ["is damaged", "is not a delta", "instead of"].iter().any(|text| what.contains(text)),
            "byte {at}: {what}"
        );
        files.write("delta", &good[..at]);
        let (what, _) = refusal(&files);
        assert!(
            ["is not a delta", "instead of", "wrong length"].iter().any(|text| what.contains(text)),
            "{what}"
        );
    }
    files.write("delta", &[&good[..], b"x"].concat());
    let (what, hint) = refusal(&files);
    assert_eq!(
        what,
        format!(
            "packer: delta has {} bytes instead of {}: it is not whole",
            good.len() + 1,
            good.len()
        )
    );
    assert_eq!(hint, "hint: copy or download the delta again");
}

#[test]
fn other_bundles_and_versions_are_named() {
    let files = Files::small();
    let good = files.delta(&[]);
    let (delta, parts) = split(&good);

    let [old, new] = ["old", "new"].map(|name| files.read(name));
    files.write("old", &new);
    let (what, hint) = refusal(&files);
    assert_eq!(
        what,
        format!("packer: old is the bundle {}, which delta makes: it has been applied", delta.new)
    );
    assert_eq!(hint, "hint: nothing is to be done");

    files.write("old", &old);
    let other = Delta { old: Digest::of(b"other"), ..delta.clone() };
    files.write("delta", &[other.encode().unwrap(), parts.clone()].concat());
    let (what, _) = refusal(&files);
    assert_eq!(
        what,
        format!("packer: old is the bundle {}, but delta is for {}", delta.old, other.old)
    );

    let compression = Compression { zstd: 10_502, ..delta.compression };
    let other = Delta { compression, ..delta };
    files.write("delta", &[other.encode().unwrap(), parts].concat());
    let (what, hint) = refusal(&files);
    assert!(what.starts_with("packer: delta needs zstd 1.5.2, and this packer has 1."), "{what}");
    assert!(hint.contains("packer delta --fast"), "{hint}");

    let mut other = good;
    other[8] = 2;
    files.write("delta", &other);
    let (what, hint) = refusal(&files);
    assert_eq!(
        what,
        "packer: delta is damaged: delta version 2 is not known (this program reads 1)"
    );
    assert_eq!(hint, "hint: use the version of packer that wrote it");

    for (name, bytes) in
        [("a pipe's end", &b""[..]), ("a script", b"#!/bin/sh\n"), ("a bundle", &new)]
    {
        files.write("delta", bytes);
        assert_eq!(refusal(&files).0, "packer: delta is not a delta", "{name}");
    }
    fs::remove_file(files.path("delta")).unwrap();
    assert!(refusal(&files).0.starts_with("packer: cannot open delta: "));
}

/// Heads with right digests that no packer writes.
#[test]
fn hostile_heads_are_refused() {
    let files = Files::small();
    let (good, parts) = split(&files.delta(&[]));
    let empty = DeltaPart { len: 0, digest: Digest::of(b"") };
    let patched = |len, from| Recipe::Patched { part: empty, len, from, breaks: Vec::new() };
    let far = vec![Extent { start: 1 << 50, len: 1 << 20 }];
    let long = |len| vec![Extent { start: 0, len }];
    let hostile = |change: &dyn Fn(&mut Delta)| {
        let mut delta = good.clone();
        change(&mut delta);
        let parts = &parts[..usize::try_from(delta.parts_len()).unwrap().min(parts.len())];
        let missing = usize::try_from(delta.parts_len()).unwrap() - parts.len();
        files.write("delta", &[delta.encode().unwrap(), parts.to_vec(), vec![0; missing]].concat());
        let (what, _) = refusal(&files);
        assert!(what.contains("delta is damaged"), "{what}");
    };
    hostile(&|delta| delta.frames.clear());
    hostile(&|delta| delta.frames.push(Recipe::Old));
    hostile(&|delta| delta.frames[0] = Recipe::Old);
    hostile(&|delta| delta.frames[0] = Recipe::Whole(empty));
    hostile(&|delta| delta.frames[0] = patched(u32::MAX >> 4, Vec::new()));
    hostile(&|delta| delta.frames[0] = patched(100, far.clone()));
    hostile(&|delta| delta.frames[0] = patched(100, long(1 << 27)));
    hostile(&|delta| delta.stub.0 = Recipe::Old);
    hostile(&|delta| delta.stub.0 = Recipe::Whole(empty));
    hostile(&|delta| delta.stub.0 = patched(400 << 20, Vec::new()));
    hostile(&|delta| delta.sections[0] = Recipe::Old);
    hostile(&|delta| delta.sections[1] = patched(400 << 20, Vec::new()));
    hostile(&|delta| delta.sections[2] = Recipe::Whole(empty));
    hostile(&|delta| delta.renames = vec![Rename { path: 9, hash: StoreHash([0; 20]) }]);
    hostile(&|delta| delta.renames = vec![Rename { path: 0, hash: StoreHash([0; 20]) }]);
    hostile(&|delta| delta.new = Digest::of(b"another"));
}

#[test]
fn damaged_old_bundle_is_named() {
    let files = Files::small();
    files.delta(&[]);
    let mut old = files.read("old");
    let frame = old.len() / 2;
    old[frame + 200_000] ^= 1;
    files.write("old", &old);
    assert!(refusal(&files).0.starts_with("packer: old is damaged: "), "{:?}", refusal(&files));
}

/// What is read is not written over, unless the new bundle takes the place of the old one.
#[test]
fn inputs_are_not_the_output() {
    let files = Files::small();
    files.delta(&[]);
    let (names, old) = (files.names(), files.read("old"));
    std::os::unix::fs::symlink("new", files.path("link")).expect("make a link");
    for arguments in [
        &["delta", "old", "new", "-o", "old"][..],
        &["delta", "old", "new", "-o", "./new"],
        &["delta", "old", "new", "-o", "link"],
        &["apply", "old", "delta", "-o", "delta"],
    ] {
        let (what, hint) = files.packer(arguments).expect_refusal(1);
        assert!(what.ends_with(" is to be read and written at once"), "{what}");
        assert_eq!(hint, "hint: choose another name with -o");
    }
    fs::remove_file(files.path("link")).expect("remove it");
    assert!(files.names() == names && files.read("old") == old);
}

/// A small delta can make long sections: they are not made if they are not those of the bundle.
#[test]
fn sections_of_another_bundle_are_not_made() {
    let files = Files::small();
    let (good, _) = split(&files.delta(&[]));
    let old = files.read("old");
    let (_, frame) = tests::regions(&old).swap_remove(1);
    let part = DeltaPart { len: 0, digest: Digest::of(b"") };
    let long = Recipe::Patched { part, len: 400 << 20, from: Vec::new(), breaks: Vec::new() };
    let mut delta = good;
    delta.stub = (Recipe::Old, Digest::of(&old[..frame.start]));
    delta.sections = [long, Recipe::Old, Recipe::Old];
    (delta.frames, delta.renames) = (Vec::new(), Vec::new());
    files.write("delta", &delta.encode().unwrap());
    assert!(refusal(&files).0.ends_with("it makes another bundle than it says"));
    delta.new = delta.old;
    files.write("delta", &delta.encode().unwrap());
    assert!(refusal(&files).0.ends_with("manifest: wrong length"), "{:?}", refusal(&files));
}

/// The new bundle in the place of the old one: as an update, it keeps links, permissions and the owner.
#[test]
fn permissions_links_and_owner_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    let files = Files::small();
    files.delta(&[]);
    let new = files.read("new");
    symlink("old", files.path("link")).expect("make a link");
    chown(files.path("old"), Some(1234), Some(5678)).expect("give it to somebody");
    fs::set_permissions(files.path("old"), fs::Permissions::from_mode(0o750)).expect("set it");
    files.packer(&["apply", "old", "delta", "-o", "link"]).expect_quiet();
    assert!(fs::symlink_metadata(files.path("link")).expect("look at it").is_symlink());
    assert!(files.read("old") == new);
    let meta = fs::metadata(files.path("old")).expect("look at it");
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o750, 1234, 5678));
    assert_eq!(files.names(), ["delta", "link", "new", "old"]);
}
