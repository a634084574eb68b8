//! The one log: whole lines of all services, each behind its service's name.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Stderr, Stdout, Write as _, stderr, stdout};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

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

/// The colours of names, of ECMA-48: the six that are readable on black and on white.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Both streams of the log.
#[derive(Debug)]
pub struct Output {
    format: Format,
    /// Columns of the longest name.
    width: usize,
    names: Vec<String>,
    colours: [bool; 2],
    waiting: [VecDeque<u8>; 2],
    stdout: Stdout,
    stderr: Stderr,
}

#[derive(Serialize)]
struct Line<'a> {
    time: f64,
    service: &'a str,
    stream: &'static str,
    line: &'a str,
}

impl Output {
    /// Makes a log for these names.
    #[must_use]
    pub fn new(format: Format, names: Vec<String>) -> Output {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let (stdout, stderr) = (stdout(), stderr());
        let colours = [stdout.is_terminal(), stderr.is_terminal()];
        Output { format, width, names, colours, waiting: Default::default(), stdout, stderr }
    }

    /// Writes a line, which has no line feed at its end.
    pub fn line(&mut self, name: &str, stream: Stream, line: &str) {
        let number = stream as usize;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match self.format {
            Format::Json => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let line = Line {
                    time: time.as_secs_f64(),
                    service: name,
                    stream: ["out", "err"][number],
                    line,
                };
                writeln!(text, "{}", serde_json::to_string(&line).unwrap_or_default())
            }
            Format::Text if self.colours[number] => {
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
        let [out, err] = self.waiting.each_ref().map(|waiting| !waiting.is_empty());
        let out = out.then(|| (Stream::Out, self.stdout.as_fd()));
        let err = err.then(|| (Stream::Err, self.stderr.as_fd()));
        out.into_iter().chain(err).collect()
    }

    /// Writes some of what waits for a stream that takes some.
    pub fn write(&mut self, stream: Stream) {
        let waiting = &mut self.waiting[stream as usize];
        let len = waiting.len().min(AT_ONCE);
        let part: Vec<u8> = waiting.iter().take(len).copied().collect();
        let written = match stream {
            Stream::Out => self.stdout.write_all(&part).and_then(|()| self.stdout.flush()),
            Stream::Err => self.stderr.write_all(&part),
        };
        match written {
            Ok(()) => drop(waiting.drain(..len)),
            // Nobody reads any more: the services go on.
            Err(_) => waiting.clear(),
        }
    }

    /// Writes all that waits.
    pub fn finish(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            while !self.waiting[stream as usize].is_empty() {
                self.write(stream);
            }
        }
    }
}
