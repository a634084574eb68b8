//! Measures the gain of packer's choices: the order of files, the length of frames, hard links for duplicates.
//!
//! It splits the tar stream of a bundle into entries, arranges them in other ways, and compresses the result as packer
//! does at level 19. The sizes are those of the frames only.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
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

/// Compresses the stream in each arrangement; returns a table of the sizes.
pub(super) fn table(title: &str, archive: &Path) -> Table {
    let entries = entries(archive);
    let as_packed = frames(&entries, FRAME);
    let mut rows = vec![("as packed: frames of 16 MiB".to_owned(), as_packed)];
    for len in [4, 8, 32] {
        rows.push((format!("frames of {len} MiB"), frames(&entries, len * MIB)));
    }
    let sorted = |key: fn(&Entry) -> Vec<u8>| {
        let mut entries = entries.clone();
        entries.sort_by_cached_key(|entry| (rank(entry), key(entry)));
        frames(&entries, FRAME)
    };
    rows.push(("files by path".to_owned(), sorted(path)));
    rows.push(("files by extension and name".to_owned(), sorted(extension_and_name)));
    rows.push(("copies in place of hard links".to_owned(), frames(&copied(&entries), FRAME)));

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

/// Returns the compressed size of the entries in frames of at most `len` bytes.
fn frames(entries: &[Entry], len: usize) -> usize {
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
    let work = Mutex::new(frames);
    let sum = Mutex::new(0);
    let next = || work.lock().expect("no thread panics").pop();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(frame) = next() {
                    let bytes = compressed(&frame);
                    *sum.lock().expect("no thread panics") += bytes;
                }
            });
        }
    });
    sum.into_inner().expect("no thread panics")
}

fn compressed(frame: &[u8]) -> usize {
    let mut context = CCtx::create();
    let window = frame.len().next_power_of_two().ilog2().clamp(10, 27);
    for parameter in [CParameter::CompressionLevel(LEVEL), CParameter::WindowLog(window)] {
        context.set_parameter(parameter).expect("a parameter of zstd");
    }
    let mut output = vec![0; zstd_safe::compress_bound(frame.len())];
    context.compress2(output.as_mut_slice(), frame).expect("compress a frame")
}
