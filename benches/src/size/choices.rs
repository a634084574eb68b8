//! Measures the gain of packer's choices: the order of files, the length of frames, hard links for duplicates, what
//! zstd is told; and of what is not done because stock tools could not read the result.
//!
//! It splits the tar stream of a bundle into entries, arranges them in other ways, and compresses the result as packer
//! does at level 19. The sizes are those of the frames only. docs/size.md says what follows from them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tar::{Archive, EntryType};
use zstd_safe::{CCtx, CParameter};

use crate::table::Table;

const LEVEL: i32 = 19;
const MIB: usize = 1 << 20;

/// The largest length of packer's frames at this level.
const FRAME: usize = 16 * MIB;

/// A tar entry.
#[derive(Clone)]
struct Entry {
    name: PathBuf,
    /// Header, content, and zeros up to a whole block.
    blocks: Vec<u8>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    File,
    /// A hard link to the file with this name.
    Copy(PathBuf),
    Other,
}

/// How to compress frames.
#[derive(Clone, Copy, Default)]
struct Way {
    /// What zstd is told besides the level and the window.
    parameters: &'static [CParameter],
    before: Before,
}

/// What zstd knows of the frame before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    /// Nothing, so that each frame can be read alone.
    #[default]
    Nothing,
    /// Its content. `zstd -d` needs it too, and has no place for it in a stream.
    Content,
}

/// What level 22 has more than 19: deeper searches, longer chains, more patience.
const DEEP: [CParameter; 4] = [
    CParameter::ChainLog(25),
    CParameter::HashLog(25),
    CParameter::SearchLog(9),
    CParameter::TargetLength(999),
];

/// Compresses the stream in each arrangement and way; returns a table of the sizes.
pub(super) fn table(title: &str, archive: &Path) -> Table {
    let entries = entries(archive);
    let usual = Way::default();
    let packed = split(&entries, FRAME);
    let as_packed = frames(&packed, usual);
    let mut rows = vec![("as packed: frames of 16 MiB".to_owned(), as_packed)];
    for len in [4, 8, 32] {
        rows.push((format!("frames of {len} MiB"), frames(&split(&entries, len * MIB), usual)));
    }
    let sorted = |key: fn(&Entry) -> Vec<u8>| {
        let mut entries = entries.clone();
        entries.sort_by_cached_key(|entry| (rank(entry), key(entry)));
        frames(&split(&entries, FRAME), usual)
    };
    rows.push(("files by path".to_owned(), sorted(path)));
    rows.push(("files by extension and path".to_owned(), sorted(extension_and_path)));
    rows.push(("files by extension and name".to_owned(), sorted(extension_and_name)));
    rows.push(("files by length".to_owned(), sorted(length)));
    let copies = split(&copied(&entries), FRAME);
    rows.push(("copies in place of hard links".to_owned(), frames(&copies, usual)));
    let told = |parameters| frames(&packed, Way { parameters, ..usual });
    rows.push(("level 22's parameters".to_owned(), told(&DEEP)));
    let distant = told(&[CParameter::EnableLongDistanceMatching(true)]);
    rows.push(("long-distance matching".to_owned(), distant));
    let before = frames(&packed, Way { before: Before::Content, ..usual });
    rows.push(("the frame before as a dictionary: not for stock zstd".to_owned(), before));

    let mut table = Table::new(title, &["choice", "of the packer's", "bytes"]);
    for (choice, bytes) in rows {
        let ratio = bytes as f64 / as_packed as f64;
        table.row([choice, format!("{ratio:.3}"), bytes.to_string()]);
    }
    table
}

fn entries(archive: &Path) -> Vec<Entry> {
    let stream = fs::read(archive).expect("read an archive");
    let mut archive = Archive::new(stream.as_slice());
    let mut entries: Vec<Entry> = Vec::new();
    let mut start = 0;
    for entry in archive.entries().expect("an archive") {
        let entry = entry.expect("an entry");
        let content = usize::try_from(entry.raw_file_position()).expect("it is in memory");
        let len = usize::try_from(entry.size()).expect("it is in memory");
        let end = (content + len).next_multiple_of(512);
        let kind = match entry.header().entry_type() {
            EntryType::Regular => Kind::File,
            EntryType::Link => {
                let original = entry.link_name().expect("a link has a target");
                Kind::Copy(original.expect("a link has a target").into_owned())
            }
            _ => Kind::Other,
        };
        let name = entry.path().expect("a name").into_owned();
        entries.push(Entry { name, blocks: stream[start..end].to_vec(), kind });
        start = end;
    }
    entries
}

/// Returns the sort key of an entry's kind: files come first, as in a bundle.
fn rank(entry: &Entry) -> u8 {
    match entry.kind {
        Kind::File => 0,
        Kind::Copy(_) => 1,
        Kind::Other => 2,
    }
}

fn path(entry: &Entry) -> Vec<u8> {
    entry.name.as_os_str().as_encoded_bytes().into()
}

fn extension_and_path(entry: &Entry) -> Vec<u8> {
    let extension = entry.name.extension().unwrap_or_default().as_encoded_bytes();
    [extension, b"\0", &path(entry)].concat()
}

fn length(entry: &Entry) -> Vec<u8> {
    entry.blocks.len().to_be_bytes().into()
}

fn extension_and_name(entry: &Entry) -> Vec<u8> {
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().as_encoded_bytes().to_vec();
    [text(entry.name.extension()), b"\0".into(), text(entry.name.file_name())].concat()
}

/// Replaces each hard link with a copy of the file.
fn copied(entries: &[Entry]) -> Vec<Entry> {
    let files: HashMap<&Path, &Entry> =
        entries.iter().map(|entry| (entry.name.as_path(), entry)).collect();
    let whole = |entry: &Entry| match &entry.kind {
        Kind::Copy(original) => {
            let original = files[original.as_path()];
            let header = original.blocks.len().min(512);
            let blocks = [&entry.blocks[..], &original.blocks[header..]].concat();
            Entry { blocks, ..entry.clone() }
        }
        _ => entry.clone(),
    };
    entries.iter().map(whole).collect()
}

/// Splits the stream into frames of at most `len` bytes.
fn split(entries: &[Entry], len: usize) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = vec![Vec::new()];
    for entry in entries {
        let last = frames.last_mut().expect("there is one");
        let room = len - last.len();
        if entry.blocks.len() <= room {
            last.extend_from_slice(&entry.blocks);
        } else {
            frames.extend(entry.blocks.chunks(len).map(<[u8]>::to_vec));
        }
    }
    frames
}

/// Returns the compressed size of all frames.
fn frames(frames: &[Vec<u8>], way: Way) -> usize {
    let next = AtomicUsize::new(0);
    let sum = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(frame) = frames.get(number) else { break };
                    let before = number.checked_sub(1).map(|before| frames[before].as_slice());
                    let before = before.filter(|_| way.before == Before::Content);
                    sum.fetch_add(compressed(frame, before, way.parameters), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

fn compressed(frame: &[u8], before: Option<&[u8]>, parameters: &[CParameter]) -> usize {
    let mut context = CCtx::create();
    let reach = frame.len() + before.map_or(0, <[u8]>::len);
    let window = reach.next_power_of_two().ilog2().clamp(10, 27);
    let usual = [CParameter::CompressionLevel(LEVEL), CParameter::WindowLog(window)];
    for parameter in usual.iter().chain(parameters) {
        context.set_parameter(*parameter).expect("a parameter of zstd");
    }
    if let Some(before) = before {
        context.ref_prefix(before).expect("a prefix");
    }
    let mut output = vec![0; zstd_safe::compress_bound(frame.len())];
    context.compress2(output.as_mut_slice(), frame).expect("compress a frame")
}
