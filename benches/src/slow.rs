//! A file on a slow server: a file system of one file, by FUSE, that gives it out at a limited rate and keeps a list of
//! what is read.
//!
//! It speaks the protocol of `linux/fuse.h`, version 7.31: without a library, there is nothing between the kernel's
//! requests and the list.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The requests that it answers.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// Bytes of the head of a request and of an answer.
const REQUEST_LEN: usize = 40;
const ANSWER_LEN: usize = 16;

/// The numbers of the top directory and of the file.
const TOP: u64 = 1;
const FILE: u64 = 2;

/// The kernel may keep what it has read when the file is opened again: it is opened for execve and by the program.
const KEEP_CACHE: u32 = 2;

/// Bytes of one read at most: what the kernel asks for by itself.
const READ_LEN: u32 = 128 << 10;

/// The name of the file.
pub(crate) const NAME: &str = "bundle";

/// What was read: offsets and lengths, in the order of the requests.
pub(crate) type Reads = Vec<(u64, u64)>;

/// A mounted file system.
pub(crate) struct Slow {
    at: PathBuf,
    reads: Arc<Mutex<Reads>>,
}

impl Slow {
    /// Mounts a copy of `file` at `at`, which is read at `rate` bytes in a second.
    pub(crate) fn mount(file: &Path, at: &Path, rate: u32) -> Slow {
        fs::create_dir_all(at).expect("make a directory");
        let content = fs::read(file).expect("read a file");
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.expect("open /dev/fuse");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={READ_LEN}",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("slow"), at, Some("fuse"), flags, Some(options.as_str())).expect("mount");
        let reads = Arc::new(Mutex::new(Reads::new()));
        let server = Server { device, content, rate, reads: Arc::clone(&reads) };
        // It ends when the file system is not mounted any more.
        thread::spawn(move || server.serve());
        Slow { at: at.to_owned(), reads }
    }

    /// Unmounts it and returns what was read.
    pub(crate) fn finish(self) -> Reads {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        umount2(&self.at, MntFlags::MNT_DETACH).expect("unmount");
    }
}

struct Server {
    device: File,
    content: Vec<u8>,
    rate: u32,
    reads: Arc<Mutex<Reads>>,
}

impl Server {
    fn serve(mut self) {
        // As long as the largest request, which the kernel demands.
        let mut request = vec![0; 1 << 20];
        let mut free = Instant::now();
        while let Ok(len) = self.device.read(&mut request) {
            let request = &request[..len];
            let (code, unique, node) =
                (u32_at(request, 4), u64_at(request, 8), u64_at(request, 16));
            let body = &request[REQUEST_LEN..];
            let answer = match code {
                FORGET | BATCH_FORGET | INTERRUPT => continue,
                READ => {
                    let (offset, len) = (u64_at(body, 8), u64::from(u32_at(body, 16)));
                    let bytes = self.read(offset, len);
                    let took = Duration::from_secs_f64(bytes.len() as f64 / f64::from(self.rate));
                    free = free.max(Instant::now()) + took;
                    thread::sleep(free.saturating_duration_since(Instant::now()));
                    Ok(bytes)
                }
                _ => self.answer(code, node, body),
            };
            let (error, answer) = match answer {
                Ok(answer) => (0, answer),
                Err(errno) => (-errno, Vec::new()),
            };
            let len = u32::try_from(ANSWER_LEN + answer.len()).expect("it is short");
            let head = [&len.to_ne_bytes()[..], &i32::to_ne_bytes(error), &unique.to_ne_bytes()];
            // Who asked can be gone.
            let _ = self.device.write(&[&head.concat()[..], &answer].concat());
        }
    }

    fn read(&self, offset: u64, len: u64) -> Vec<u8> {
        let end = (offset + len).min(self.content.len() as u64);
        let at = |offset: u64| usize::try_from(offset).expect("it is in memory");
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push((offset, end - offset));
        self.content[at(offset)..at(end)].to_vec()
    }

    fn answer(&self, code: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        const MINUTE: u64 = 60;
        let mut answer = Vec::new();
        match code {
            INIT => {
                let kernels = u32_at(body, 8);
                // Reads come one after the other.
                let flags = 0_u32;
                for part in [7, 31, kernels, flags, 0, READ_LEN] {
                    answer.extend(part.to_ne_bytes());
                }
                answer.resize(64, 0);
            }
            LOOKUP if body == format!("{NAME}\0").as_bytes() => {
                for part in [FILE, 0, MINUTE, MINUTE, 0] {
                    answer.extend(part.to_ne_bytes());
                }
                answer.extend(self.attributes(FILE));
            }
            LOOKUP => return Err(libc::ENOENT),
            GETATTR => {
                for part in [MINUTE, 0] {
                    answer.extend(part.to_ne_bytes());
                }
                answer.extend(self.attributes(node));
            }
            OPEN | OPENDIR => {
                answer.extend(0_u64.to_ne_bytes());
                answer.extend(KEEP_CACHE.to_ne_bytes());
                answer.extend(0_u32.to_ne_bytes());
            }
            RELEASE | RELEASEDIR | FLUSH => {}
            _ => return Err(libc::ENOSYS),
        }
        Ok(answer)
    }

    /// The attributes of the top directory or of the file.
    fn attributes(&self, node: u64) -> Vec<u8> {
        let (mode, len) = match node {
            TOP => (libc::S_IFDIR | 0o755, 0),
            _ => (libc::S_IFREG | 0o755, self.content.len() as u64),
        };
        let mut attributes = Vec::new();
        for part in [node, len, len.div_ceil(512), 0, 0, 0] {
            attributes.extend(part.to_ne_bytes());
        }
        for part in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
            attributes.extend(part.to_ne_bytes());
        }
        attributes
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
