//! Prints what it was started with, or does as its first argument says.
//!
//! Without the start of Rust's standard library, which ignores SIGPIPE and opens /dev/null in the place of
//! closed descriptors: this program must see what it was given.
//!
//!     probe                     prints the report on stdout; so do arguments that are not listed here
//!     probe report-to FILE      writes it to FILE
//!     probe exit N              exits with status N
//!     probe signal N            kills itself by signal N
//!     probe echo                copies stdin to stdout until the end
//!     probe write FD TEXT       writes TEXT to an inherited descriptor
//!     probe sleep               waits until a signal ends it
//!     probe files N             reads its store path, and those that links in it lead to, for N milliseconds
//!                               at least and once at least, and prints what is in them

#![no_main]
// The symbol that the C library calls, and a descriptor whose number is told by the caller.
#![allow(unsafe_code)]

use std::error::Error;
use std::ffi::{OsStr, c_char, c_int};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{fs, process};

use nix::sys::signal::{Signal, raise};
use probe::Report;

// SAFETY: no other function of this program has the name.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    match act() {
        Ok(status) => status,
        Err(error) => {
            // Where stderr is closed too, the status must do.
            let _ = writeln!(io::stderr(), "probe: {error}");
            99
        }
    }
}

fn act() -> io::Result<c_int> {
    let arguments = list("cmdline")?;
    let words: Vec<&[u8]> = arguments.iter().skip(1).map(Vec::as_slice).collect();
    match words[..] {
        [b"exit", status] => return number(status),
        [b"signal", signal] => raise(Signal::try_from(number::<c_int>(signal)?)?)?,
        [b"echo"] => {
            // Nothing flushes stdout at the end of this `main`.
            io::copy(&mut io::stdin(), &mut io::stdout())?;
            io::stdout().flush()?;
        }
        [b"write", descriptor, text] => {
            // SAFETY: the number is one that this program inherited; nobody else here uses it.
            let mut inherited = unsafe { fs::File::from_raw_fd(number(descriptor)?) };
            inherited.write_all(text)?;
        }
        [b"sleep"] => loop {
            std::thread::park();
        },
        [b"files", milliseconds] => {
            let end = Instant::now() + Duration::from_millis(number(milliseconds)?);
            let program = fs::read_link("/proc/self/exe")?;
            let path = program.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?;
            let found = files(path)?;
            while Instant::now() < end {
                if files(path)? != found {
                    return Err(io::Error::other("the files have changed"));
                }
            }
            io::stdout().write_all(found.as_bytes())?;
        }
        [b"report-to", file] => fs::write(OsStr::from_bytes(file), report()?.to_text())?,
        _ => io::stdout().write_all(report()?.to_text().as_bytes())?,
    }
    Ok(0)
}

fn number<T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>>(digits: &[u8]) -> io::Result<T> {
    let text = str::from_utf8(digits).map_err(io::Error::other)?;
    text.parse().map_err(io::Error::other)
}

/// A line for each file in a directory, through links: its name, its length and a digest of its content.
fn files(directory: &Path) -> io::Result<String> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut lines = String::new();
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            lines += &files(&path)?;
        } else {
            let content = fs::read(&path)?;
            let mut digest = DefaultHasher::new();
            content.hash(&mut digest);
            let name = entry.file_name();
            // Writing to a string can't fail.
            let _ =
                writeln!(lines, "{} {} {:016x}", name.display(), content.len(), digest.finish());
        }
    }
    Ok(lines)
}

/// The NUL-terminated strings of a file in /proc/self: what execve was given, byte for byte.
fn list(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(format!("/proc/self/{name}"))?;
    let mut strings: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    strings.pop();
    Ok(strings)
}

fn report() -> io::Result<Report> {
    let mut report = Report::default();
    report.add("pid", process::id().to_string().as_bytes());
    report.add("parent", std::os::unix::process::parent_id().to_string().as_bytes());
    for (number, argument) in list("cmdline")?.iter().enumerate() {
        report.add(if number == 0 { "argv[0]" } else { "argument" }, argument);
    }
    list("environ")?.iter().for_each(|variable| report.add("variable", variable));
    directory(&mut report);
    descriptors(&mut report)?;
    for line in fs::read_to_string("/proc/self/status")?.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        report.add(&format!("status {name}"), value.trim().as_bytes());
    }
    for line in fs::read_to_string("/proc/self/limits")?.lines() {
        report.add("limit", line.trim().as_bytes());
    }
    for file in ["comm", "personality", "oom_score_adj", "coredump_filter", "timerslack_ns"] {
        // Some kernels are built without some of them.
        let value = fs::read(format!("/proc/self/{file}")).unwrap_or_default();
        report.add(file, value.trim_ascii_end());
    }
    for (field, name) in [(5, "process group"), (6, "session"), (7, "terminal"), (19, "nice")] {
        report.add(name, stat(field)?.as_bytes());
    }
    report.add("exe", fs::read_link("/proc/self/exe")?.as_os_str().as_bytes());
    Ok(report)
}

/// The current directory: by name, as far as it has one, and by its number.
fn directory(report: &mut Report) {
    match std::env::current_dir() {
        Ok(path) => report.add("directory", path.as_os_str().as_bytes()),
        Err(error) => report.add("directory error", error.to_string().as_bytes()),
    }
    match fs::metadata(".") {
        Ok(meta) => {
            report.add("directory number", format!("{} {}", meta.dev(), meta.ino()).as_bytes());
        }
        Err(error) => report.add("directory number error", error.to_string().as_bytes()),
    }
}

/// Every open descriptor: its number, what it is and its flags.
fn descriptors(report: &mut Report) -> io::Result<()> {
    let own = format!("/proc/{}/fd", process::id());
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number: u32 = entry.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
        let target = fs::read_link(entry.path())?;
        // The descriptor that this loop reads from.
        if target.as_os_str() != own.as_str() {
            open.push((number, target));
        }
    }
    open.sort();
    for (number, target) in open {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
        let kept =
            |line: &&str| ["pos:", "flags:", "lock:"].iter().any(|word| line.starts_with(word));
        let info: Vec<&str> = info.lines().filter(kept).flat_map(str::split_whitespace).collect();
        let text = [target.as_os_str().as_bytes(), b" ", info.join(" ").as_bytes()].concat();
        report.add(&format!("descriptor {number}"), &text);
    }
    Ok(())
}

/// A field of /proc/self/stat, by its number in proc(5).
fn stat(field: usize) -> io::Result<String> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The name may hold spaces and parentheses.
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    // The field behind the name is the third.
    let field = fields.split_whitespace().nth(field.saturating_sub(3));
    Ok(field.unwrap_or_default().to_owned())
}
