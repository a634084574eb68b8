//! A folder of damaged bundles, each named by what is wrong with it, and refused by all that read bundles.
//!
//! It is made anew by this test, below the target directory, from a small bundle: so it is of the format's
//! present version. Most have every digest right: what they say is wrong, as if the packer had been hostile.

use std::fs;

use format::{BUNDLE_VERSION, Extent, Index, Manifest, Reference};
use tests::{Executable, Forge, Forged, Node, NodeKind, Readers, regions, say, target, tree};

/// A damaged bundle: its name, how it is made, and what is said of it.
type Damaged = (&'static str, fn(&mut Forge), &'static str);

const BAD_NAME: &str = "index: a file name is empty, '.', '..' or holds '/' or NUL";
const BAD_PARENT: &str = "index: a file's parent is not an open directory";
const BAD_ORDER: &str = "index: the files are not in order";
const BAD_KIND: &str = "index: a file has an unknown kind";
const BAD_CONTENT: &str = "index: a file's content is outside of the tar stream";
const BAD_TARGET: &str = "index: a link's target is empty, too long or holds NUL";
const BAD_REFERENCE: &str = "index: a reference is out of order or names no store path";
const BAD_ENTRY: &str = "descriptor: an entry's path leaves its store path";
const BAD_PATH: &str = "manifest: a store path has an invalid name";

const DAMAGED: [Damaged; 44] = [
    // Names that lead out of the store path.
    ("name-dot-dot", |forge| rename(forge, b".."), BAD_NAME),
    ("name-dot", |forge| rename(forge, b"."), BAD_NAME),
    ("name-empty", |forge| rename(forge, b""), BAD_NAME),
    ("name-absolute", |forge| rename(forge, b"/etc/passwd"), BAD_NAME),
    ("name-with-slash", |forge| rename(forge, b"../../../evil"), BAD_NAME),
    ("name-with-nul", |forge| rename(forge, b"te\0xt"), BAD_NAME),
    (
        "name-of-256-bytes",
        |forge| rename(forge, &[b'x'; 256]),
        "index: too many bytes in a file name",
    ),
    (
        "root-with-name",
        |forge| forge.nodes[0].name = b"evil".to_vec(),
        "index: a store path's root has a name",
    ),
    // Files where there is no directory.
    ("name-twice", |forge| rename(forge, b"link"), BAD_ORDER),
    ("names-out-of-order", |forge| rename(forge, b"a"), BAD_ORDER),
    (
        "file-through-a-link",
        |forge| forge.node("text").1.parent = Some(forge.node("link").0),
        BAD_PARENT,
    ),
    (
        "file-through-a-file",
        |forge| forge.node("text").1.parent = Some(forge.node("probe").0),
        BAD_PARENT,
    ),
    (
        "file-in-itself",
        |forge| forge.node("text").1.parent = Some(forge.node("text").0),
        BAD_PARENT,
    ),
    (
        "file-in-a-later-directory",
        |forge| forge.node("text").1.parent = Some(forge.node("other").0 - 1),
        BAD_PARENT,
    ),
    (
        "file-in-a-closed-directory",
        |forge| forge.node("text").1.parent = Some(forge.node("bin").0),
        BAD_PARENT,
    ),
    (
        "directories-8193-deep",
        |forge| {
            let first = u32::try_from(forge.nodes.len()).expect("few nodes");
            let parent = |number| if number == 0 { first - 2 } else { first + number - 1 };
            forge.nodes.extend((0..8193).map(|number| directory(Some(parent(number)), b"z")));
        },
        "index: too many nested directories",
    ),
    // What no bundle has.
    ("device", |forge| set_kind(forge, 5), BAD_KIND),
    ("set-user-id", |forge| set_kind(forge, 0x42), BAD_KIND),
    ("any-other-kind", |forge| set_kind(forge, 255), BAD_KIND),
    (
        "one-root-too-many",
        |forge| forge.nodes.push(directory(None, b"")),
        "index: the number of roots differs from the number of store paths",
    ),
    (
        "one-root-too-few",
        |forge| forge.nodes.truncate(1),
        "index: the number of roots differs from the number of store paths",
    ),
    ("target-empty", |forge| retarget(forge, b""), BAD_TARGET),
    ("target-of-4096-bytes", |forge| retarget(forge, &[b't'; 4096]), BAD_TARGET),
    ("target-with-nul", |forge| retarget(forge, b"/etc\0/passwd"), BAD_TARGET),
    // Contents and references that are not there.
    ("content-behind-the-end", |forge| extent(forge, 1 << 40, 1), BAD_CONTENT),
    ("content-longer-than-all", |forge| extent(forge, 0, 1 << 40), BAD_CONTENT),
    ("content-around-the-end", |forge| extent(forge, u64::MAX, 2), BAD_CONTENT),
    (
        "reference-behind-the-end",
        |forge| refer(forge, 1 << 40, 1),
        "index: a reference is outside of its file",
    ),
    ("reference-to-nothing", |forge| refer(forge, 0, 2), BAD_REFERENCE),
    // More than there is, or than there may be.
    (
        "10-million-files",
        |forge| forge.index = Some(Forged::of(&files(10_000_000, 10_000_000))),
        "index: too many files",
    ),
    (
        "files-that-are-not-there",
        |forge| forge.index = Some(Forged::of(&files(4_000_000, 10))),
        "index: wrong length",
    ),
    (
        "digest-missing",
        |forge| {
            let mut one = forge.clone();
            one.frames.truncate(1);
            forge.index = Some(Forged::of(&one.index_content()));
        },
        "index: the number of digests differs from the number of frames",
    ),
    (
        "frame-bomb",
        |forge| forge.frames[0] = bomb(forge.frames[0].len.into(), 1 << 12),
        "frame 0: wrong length",
    ),
    ("frame-larger-than-it-says", |forge| forge.frames[1].len -= 1, "frame 1: wrong length"),
    (
        "frame-over-the-limit",
        |forge| forge.frames[0].len = u32::MAX,
        "seek table: too many bytes in a frame",
    ),
    (
        "frame-of-nothing",
        |forge| forge.frames[0].len = 0,
        "seek table: only the last two frames may have no content",
    ),
    ("manifest-bomb", |forge| forge.manifest = bomb(1000, 1 << 12), "manifest: wrong length"),
    (
        "manifest-of-an-exabyte",
        |forge| forge.manifest = bomb(1 << 60, 1),
        "manifest: too many bytes",
    ),
    (
        "index-of-512-MiB-of-zeros",
        |forge| forge.index = Some(bomb(512 << 20, 1 << 12)),
        "index: wrong length",
    ),
    ("store-path-with-slash", |forge| alter_manifest(forge, b"odd", b"a/b"), BAD_PATH),
    (
        "subset-missing",
        |forge| forge.descriptor.entries[0].subset = Some(0),
        "manifest: an entry's subset is missing",
    ),
    (
        "subset-of-nothing",
        |forge| subsets(forge, &[1_000_000]),
        "manifest: a reference is out of order or names no store path",
    ),
    (
        "subset-out-of-order",
        |forge| subsets(forge, &[1, 0]),
        "manifest: a reference is out of order or names no store path",
    ),
    (
        "entry-dot-dot",
        |forge| forge.descriptor.entries[0].program = b"/../../bin/sh".to_vec(),
        BAD_ENTRY,
    ),
];

fn rename(forge: &mut Forge, name: &[u8]) {
    forge.node("text").1.name = name.to_vec();
}

fn retarget(forge: &mut Forge, target: &[u8]) {
    forge.node("link").1.kind = NodeKind::Link(target.to_vec());
}

fn extent(forge: &mut Forge, start: u64, len: u64) {
    forge.node("probe").1.kind = NodeKind::File(Extent { start, len }, Some(Executable::Program));
}

fn refer(forge: &mut Forge, offset: u64, path: u32) {
    forge.node("text").1.references = vec![Reference { offset, path }];
}

fn directory(parent: Option<u32>, name: &[u8]) -> Node {
    Node { parent, name: name.to_vec(), kind: NodeKind::Directory, references: Vec::new() }
}

/// Gives a file a kind that the writer of the format has no word for.
fn set_kind(forge: &mut Forge, kind: u8) {
    let mut index = forge.index_content();
    // The kind is the byte before the name and its length.
    let name =
        index.windows(6).position(|bytes| bytes == b"\x04\0text").expect("the node is there");
    index[name - 1] = kind;
    forge.index = Some(Forged::of(&index));
}

/// An index that says it has so many nodes, and has others.
fn files(said: usize, there: usize) -> Vec<u8> {
    let mut index = Index::writer(&[], said).expect("begin an index").finish();
    let node = [&u32::MAX.to_le_bytes()[..], &[0, 0, 0]].concat();
    index.extend(node.repeat(there));
    index
}

/// A zstd frame that says it holds `said` bytes and holds 128 KiB of zeros in each of its blocks: RFC 8878.
fn bomb(said: u64, blocks: usize) -> Forged {
    const BLOCK: u32 = 128 << 10;
    // One segment, its length in eight bytes.
    let mut stored = b"\x28\xb5\x2f\xfd\xe0".to_vec();
    stored.extend(said.to_le_bytes());
    for number in 1..=blocks {
        // A repeated byte; the lowest bit is set in the last block.
        let header = BLOCK << 3 | 1 << 1 | u32::from(number == blocks);
        stored.extend(&header.to_le_bytes()[..3]);
        stored.push(0);
    }
    Forged { stored, len: said.try_into().unwrap_or(u32::MAX) }
}

/// Gives the entry a subset of these store paths.
fn subsets(forge: &mut Forge, paths: &[u32]) {
    let mut manifest =
        Manifest::decode(&forge.manifest.content(), BUNDLE_VERSION).expect("it is whole");
    manifest.subsets = vec![paths.to_vec()];
    forge.descriptor.entries[0].subset = Some(0);
    forge.manifest = Forged::of(&manifest.encode().expect("it can be encoded"));
}

fn alter_manifest(forge: &mut Forge, from: &[u8], to: &[u8]) {
    let mut manifest = forge.manifest.content();
    let at = manifest.windows(from.len()).position(|bytes| bytes == from).expect("it is there");
    manifest[at..][..to.len()].copy_from_slice(to);
    forge.manifest = Forged::of(&manifest);
}

/// Bytes of memory: twice what the largest part may have, and as much for the rest.
const MEMORY: u64 = 3 << 29;

#[test]
fn damaged_bundles_are_refused_by_name() {
    let directory = target().join("damaged");
    fs::create_dir_all(&directory).unwrap();
    let good = {
        let mut forge = Forge::small();
        forge.set_tar(&forge.tar(), 3);
        forge
    };
    let readers = Readers::new();
    for (number, (name, damage, expected)) in DAMAGED.iter().enumerate() {
        let mut forge = good.clone();
        damage(&mut forge);
        let bytes = forge.bytes();
        fs::write(directory.join(name), &bytes).unwrap();
        for what in readers.refusals(&bytes, ["relocate", "namespace"][number % 2], MEMORY) {
            assert!(what.ends_with(&format!(" is damaged: {expected}")), "{name}: {what}");
        }
    }
    readers.expect_clean(&good.bytes());
    say(&format!(
        "damaged: {} bundles in {}, each refused by five readers",
        DAMAGED.len(),
        directory.display()
    ));
}

/// A change of a file's header in the archive.
type Change = fn(&mut [u8]);

/// The archive is for people and stock tools: a reader goes by the index, and nothing that the archive says can
/// lead it astray. `packer verify` sees that it says something else.
#[test]
fn an_archive_that_contradicts_the_index_is_named() {
    const TEXT: &str = "nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-odd/share/text";
    let good = Forge::small();
    let cases: [(&str, Change); 7] = [
        ("dot-dot", |header| header[..TEXT.len()][..12].copy_from_slice(b"nix/store/..")),
        ("absolute", |header| header[..4].copy_from_slice(b"/etc")),
        ("twice", |header| header[TEXT.len() - 4..][..4].copy_from_slice(b"none")),
        ("set-user-id", |header| header[100..108].copy_from_slice(b"0004444\0")),
        ("writable", |header| header[100..108].copy_from_slice(b"0000666\0")),
        ("device", |header| header[156] = b'3'),
        ("link", |header| {
            header[156] = b'2';
            header[157..168].copy_from_slice(b"/etc/passwd");
        }),
    ];
    let readers = Readers::new();
    for (name, alter) in cases {
        let mut tar = good.tar();
        let at = tar.windows(TEXT.len()).position(|bytes| bytes == TEXT.as_bytes());
        let header = &mut tar[at.expect("the file is there")..][..512];
        alter(header);
        // The sum of the header's bytes, of which its own eight count as spaces.
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut forge = good.clone();
        forge.set_tar(&tar, 2);
        let program = readers.install(&forge.bytes());
        let program = program.to_str().expect("a path is text");
        let (what, _) = readers.packer(&["verify", program]).expect_refusal(1);
        assert!(what.contains("contradicts itself: "), "{name}: {what}");
        let to = format!("/tmp/{name}");
        let _ = readers.host.directory("/tmp/to", 0o755);
        readers.packer(&["extract", program, "--to", &to]).expect_code(0);
        let extracted = tree::list(&readers.host.outside(&to)).expect("list a directory");
        let text = extracted.get(&format!("/{TEXT}")).expect("the file is extracted");
        assert!(text.starts_with("file of "), "{name}: {text}");
        assert_eq!(extracted.len(), 2 + good.nodes.len(), "{name}: {extracted:?}");
    }
}

/// A terabyte that no file has is not written to the disk to find that out.
#[test]
fn an_archive_longer_than_its_files_is_refused_at_once() {
    let mut forge = Forge::small();
    let len = 128 << 20;
    let frame = bomb(len, 1 << 10);
    forge.frames.extend(std::iter::repeat_n(frame, 8 << 10));
    let readers = Readers::new();
    let program = readers.install(&forge.bytes());
    let program = program.to_str().expect("a path is text");
    let (what, _) = readers.packer(&["verify", program]).expect_refusal(1);
    assert!(what.ends_with("contradicts itself: the archive is longer than its files"), "{what}");
    // Who unpacks reads only what has files in it.
    readers.host.start(program).args(["exit", "9"]).run().expect_code(9);
}

/// A start compares a checksum, which is no guard against anybody; the digest is the bundle's identity.
#[test]
fn a_descriptor_with_another_digest_is_found() {
    let mut bytes = Forge::small().bytes();
    let at = regions(&bytes)[0].1.start;
    let head: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
    let len = u32::from_le_bytes(head[4..].try_into().expect("four bytes")) as usize;
    let (digest, body) = (at + 16, at + 48);
    bytes[digest] ^= 1;
    let sum = format::checksum(&[&head, &bytes[digest..body], &bytes[body..body + len]]);
    bytes[at + 8..digest].copy_from_slice(&sum);
    let readers = Readers::new();
    let program = readers.install(&bytes);
    let launcher = readers.host.start(&program).env("PACKED", "verify").run().refusal().0;
    let program = program.to_str().expect("a path is text");
    let packer = readers.packer(&["verify", program]).expect_refusal(1).0;
    for what in [launcher, packer] {
        assert!(what.ends_with(" is damaged: descriptor: digest does not match"), "{what}");
    }
}
