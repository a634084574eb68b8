//! The one log: whole lines of all services, each behind its service's name.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::error::{Error, Result};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `service | line`.
    Text,
    /// One JSON object for each line.
    Json,
}

/// Where a line comes from, and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Bytes that wait for a slow reader before services are not read any more.
const WAITING: usize = 1 << 20;

/// Bytes that a pipe takes at once if poll(2) says that it takes some: `PIPE_BUF` of pipe(7).
const AT_ONCE: usize = 4096;

/// Milliseconds at the end without a byte that is read, until what waits is given up.
const PATIENCE: u16 = 1000;

/// The colours of names, of ECMA-48: the six that are readable on black and on white.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Both streams of the log.
#[derive(Debug)]
pub struct Output {
    format: Format,
    /// Columns of the longest name.
    width: usize,
    names: Vec<String>,
    /// Which were terminals in the beginning.
    terminals: [bool; 2],
    waiting: [VecDeque<u8>; 2],
    files: [File; 2],
}

#[derive(Serialize)]
struct Line<'a> {
    time: f64,
    service: &'a str,
    stream: &'static str,
    line: &'a str,
}

/// Returns the seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Output {
    /// Makes a log for these names.
    ///
    /// # Errors
    ///
    /// If there are no descriptors left.
    pub fn new(format: Format, names: Vec<String>) -> Result<Output> {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let open = |file: BorrowedFd<'_>| {
            // A terminal takes less than poll(2) says; waiting for it would hold up signals.
            let mut options = File::options();
            options.write(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            match file.is_terminal().then(|| options.open(path)) {
                Some(Ok(file)) => Ok(file),
                _ => {
                    file.try_clone_to_owned().map(File::from).map_err(Error::file("use", "the log"))
                }
            }
        };
        let files = [open(stdout().as_fd())?, open(stderr().as_fd())?];
        let terminals = files.each_ref().map(File::is_terminal);
        Ok(Output { format, width, names, terminals, waiting: Default::default(), files })
    }

    /// Whether a terminal has been closed.
    #[must_use]
    pub fn has_lost_terminal(&self) -> bool {
        self.files.iter().zip(self.terminals).any(|(file, was)| was && !file.is_terminal())
    }

    /// Writes a line, which has no line feed at its end.
    pub fn line(&mut self, name: &str, stream: Stream, line: &str) {
        let number = stream as usize;
        // Services stop, and nobody reads what they say.
        if self.waiting[number].len() > 2 * WAITING {
            return;
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match self.format {
            Format::Json => {
                let line =
                    Line { time: now(), service: name, stream: ["out", "err"][number], line };
                writeln!(text, "{}", serde_json::to_string(&line).unwrap_or_default())
            }
            Format::Text if self.terminals[number] => {
                let colour = self.names.iter().position(|other| other == name);
                let colour = colour.map_or(1, |at| COLOURS[at % COLOURS.len()]);
                writeln!(text, "\x1b[{colour}m{name:width$} |\x1b[0m {line}", width = self.width)
            }
            Format::Text => writeln!(text, "{name:width$} | {line}", width = self.width),
        };
        self.waiting[number].extend(text.as_bytes());
    }

    /// Whether so much waits that services should wait, too.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.len() > WAITING)
    }

    /// Returns the streams for which something waits.
    #[must_use]
    pub fn waiting(&self) -> Vec<(Stream, BorrowedFd<'_>)> {
        let of = |stream| (stream, self.files[stream as usize].as_fd());
        let waits = |stream: &Stream| !self.waiting[*stream as usize].is_empty();
        [Stream::Out, Stream::Err].into_iter().filter(waits).map(of).collect()
    }

    /// Writes some of what waits for a stream that takes some.
    pub fn write(&mut self, stream: Stream) {
        let waiting = &mut self.waiting[stream as usize];
        let (part, _) = waiting.as_slices();
        match (&self.files[stream as usize]).write(&part[..part.len().min(AT_ONCE)]) {
            Ok(len) => drop(waiting.drain(..len)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // Nobody reads any more: the services go on.
            Err(_) => waiting.clear(),
        }
    }

    /// Writes all that waits, as long as somebody reads it.
    pub fn finish(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            while !self.waiting[stream as usize].is_empty() {
                let mut file =
                    [PollFd::new(self.files[stream as usize].as_fd(), PollFlags::POLLOUT)];
                match poll(&mut file, PollTimeout::from(PATIENCE)) {
                    Ok(0) => break,
                    _ => self.write(stream),
                }
            }
        }
    }
}
