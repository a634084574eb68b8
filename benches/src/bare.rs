//! The two halves of a first start, decoding and writing, each alone and without checks: a lower limit for its time.
//!
//! Both use one thread for each core, and print their time in nanoseconds.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use format::{Frame, SeekTable};
use zstd_safe::DCtx;

/// Reads and decodes the frames of a bundle; discards the result.
pub(crate) fn decode(bundle: &Path, payload: &str) {
    let payload: u64 = payload.parse().expect("the payload's offset is a number");
    let file = File::open(bundle).expect("open the bundle");
    let table = seek_table(&file).expect("read the seek table");
    let frames = table.data_frames();
    let next = AtomicUsize::new(0);
    print_time(|| {
        let mut decoder = DCtx::create();
        let largest = |len: fn(&Frame) -> u32| frames.iter().map(len).max().unwrap_or(0) as usize;
        let mut compressed = vec![0; largest(|frame| frame.compressed_len)];
        let mut content = vec![0; largest(|frame| frame.len)];
        while let Some(frame) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
            let compressed = &mut compressed[..frame.compressed_len as usize];
            file.read_exact_at(compressed, payload + frame.offset).expect("read a frame");
            let len = decoder.decompress(&mut content[..], compressed).expect("decode a frame");
            assert_eq!(len, frame.len as usize, "a frame has its length");
        }
    });
}

/// Reads the seek table, which is the end of the file: rows of 8 bytes, then their count and 5 more bytes.
fn seek_table(file: &File) -> io::Result<SeekTable> {
    let end = file.metadata()?.len();
    let mut count = [0; 4];
    file.read_exact_at(&mut count, end - 9)?;
    let len = u64::from(u32::from_le_bytes(count)) * 8 + 9;
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, end - len)?;
    SeekTable::decode(&bytes).map_err(|error| io::Error::other(error.to_string()))
}

/// The contents of a directory tree; paths are relative to its top.
#[derive(Default)]
struct Tree {
    directories: Vec<PathBuf>,
    /// The files of each directory: path, permissions and content.
    files: Vec<Vec<(PathBuf, u32, Vec<u8>)>>,
    /// Further names of files: the first name, and this one.
    hard_links: Vec<(PathBuf, PathBuf)>,
    symlinks: Vec<(PathBuf, PathBuf)>,
}

/// Reads a tree into memory and writes it to another directory: the same files with the same names, links,
/// permissions and times. Directories stay writable.
pub(crate) fn write(from: &Path, to: &Path) {
    let mut tree = Tree::default();
    tree.read(from, Path::new(""), &mut BTreeMap::new()).expect("read the tree");
    // Each directory belongs to one thread, since two threads would wait for its lock. The largest come first.
    tree.files.sort_by_key(|files| Reverse(files.len()));
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    for directory in &tree.directories {
        fs::create_dir(to.join(directory)).expect("make a directory");
    }
    parallel(|| {
        while let Some(files) = tree.files.get(next.fetch_add(1, Ordering::Relaxed)) {
            for (path, permissions, content) in files {
                create(&to.join(path), *permissions, content).expect("write a file");
            }
        }
    });
    for (original, copy) in &tree.hard_links {
        fs::hard_link(to.join(original), to.join(copy)).expect("make a hard link");
    }
    for (target, path) in &tree.symlinks {
        symlink(target, to.join(path)).expect("make a link");
    }
    print(begin.elapsed());
}

impl Tree {
    fn read(
        &mut self,
        top: &Path,
        below: &Path,
        seen: &mut BTreeMap<u64, PathBuf>,
    ) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(top.join(below))? {
            let path = below.join(entry?.file_name());
            let whole = top.join(&path);
            let meta = whole.symlink_metadata()?;
            if meta.is_dir() {
                self.directories.push(path.clone());
                self.read(top, &path, seen)?;
            } else if meta.is_symlink() {
                self.symlinks.push((fs::read_link(whole)?, path));
            } else if let Some(original) = seen.get(&meta.ino()) {
                self.hard_links.push((original.clone(), path));
            } else {
                seen.insert(meta.ino(), path.clone());
                files.push((path, meta.mode() & 0o777, fs::read(whole)?));
            }
        }
        self.files.push(files);
        Ok(())
    }
}

fn create(path: &Path, permissions: u32, content: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(permissions).open(path)?;
    file.write_all_at(content, 0)?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
}

fn print_time(work: impl Fn() + Sync) {
    let begin = Instant::now();
    parallel(work);
    print(begin.elapsed());
}

fn print(time: Duration) {
    println!("{}", time.as_nanos());
}

fn parallel(work: impl Fn() + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}
