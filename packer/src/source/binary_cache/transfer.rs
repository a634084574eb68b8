//! A file on its way from a cache: it goes on where a connection broke, and knows how slow the server is.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Instant;

use format::{Digest, Hasher};

use super::compression::Compression;
use super::place::{self, CONNECTIONS, Server, Trouble};
use crate::http::agent;
use crate::http::content_range::ContentRange;
use crate::http::pace::Pace;
use crate::http::patience::Patience;

/// The slowest transfer that is waited for, in bytes a second: 1 KiB for all that share a slow line.
const SLOWEST: u64 = (1 << 10) / CONNECTIONS as u64;

/// Bytes after which a server that breaks off has made progress.
const PROGRESS: u64 = 64 << 10;

/// A file on its way. It hashes what it reads.
pub(super) struct Transfer<'a> {
    source: Source<'a>,
    /// What a server put around the file.
    pub(super) encoding: Compression,
    /// Bytes that were read.
    at: u64,
    /// The file's length, if it is known.
    len: Option<u64>,
    hasher: Hasher,
    trouble: Slot,
}

/// Where a reader leaves why it failed: decoders may replace its error.
#[derive(Clone, Default)]
pub(super) struct Slot(Rc<RefCell<Option<Trouble>>>);

impl Slot {
    pub(super) fn take(&self) -> Option<Trouble> {
        self.0.take()
    }

    fn fail(&self, trouble: Trouble) -> io::Error {
        let reason = trouble.reason.clone();
        self.0.replace(Some(trouble));
        io::Error::other(reason)
    }
}

enum Source<'a> {
    File(Box<dyn Read + 'a>),
    Server(Box<Stream<'a>>),
}

/// The body of an answer.
struct Stream<'a> {
    server: &'a Server,
    url: String,
    reader: ureq::BodyReader<'static>,
    patience: Patience,
    /// Bytes that come once more, and are left out.
    again: u64,
    /// Bytes since the last failure.
    since: u64,
    pace: Pace,
}

impl<'a> Transfer<'a> {
    pub(super) fn of_file(file: impl Read + 'a, len: Option<u64>) -> Transfer<'a> {
        Transfer::new(Source::File(Box::new(file)), Compression::None, len)
    }

    /// Asks a server; `None` if it has no such file.
    pub(super) fn of_server(
        server: &'a Server,
        url: String,
        len: Option<u64>,
    ) -> Result<Option<Transfer<'a>>, Trouble> {
        let mut patience = Patience::default();
        let Some(response) = server.get(&url, 0, &mut patience)? else { return Ok(None) };
        let encoding = place::encoding(&response)?;
        let sent = response.body().content_length();
        // What a server compresses on its way has no length that is known before.
        let len = len.filter(|_| encoding == Compression::None);
        if let (Some(expected), Some(sent)) = (len, sent)
            && expected != sent
        {
            return Err(Trouble::of_file(wrong_len(expected)));
        }
        let len = len.or(sent);
        let reader = response.into_body().into_reader();
        let (again, since, pace) = (0, 0, Pace::new(SLOWEST));
        let stream = Stream { server, url, reader, patience, again, since, pace };
        Ok(Some(Transfer::new(Source::Server(Box::new(stream)), encoding, len)))
    }

    fn new(source: Source<'a>, encoding: Compression, len: Option<u64>) -> Transfer<'a> {
        let (hasher, trouble) = (Hasher::new(), Slot::default());
        Transfer { source, encoding, at: 0, len, hasher, trouble }
    }

    /// Where the reason of a failure will be.
    pub(super) fn trouble(&self) -> Slot {
        self.trouble.clone()
    }

    /// Reads what is left, which a decoder does not need; returns the digest and the length of the whole.
    ///
    /// # Errors
    ///
    /// If there is more than `limit` bytes, or reading fails.
    pub(super) fn finish(&mut self, limit: u64) -> io::Result<(Digest, u64)> {
        let mut buffer = [0; 4096];
        while self.read(&mut buffer)? > 0 {
            if self.at > limit {
                let reason = format!("its file has more than {limit} bytes");
                return Err(self.trouble.fail(Trouble::of_file(reason)));
            }
        }
        Ok((std::mem::take(&mut self.hasher).finish(), self.at))
    }
}

fn wrong_len(len: u64) -> String {
    format!("its file does not have {len} bytes")
}

impl Read for Transfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.source {
            Source::File(file) => file.read(buffer)?,
            Source::Server(stream) => stream
                .read(buffer, self.at, self.len)
                .map_err(|trouble| self.trouble.fail(trouble))?,
        };
        self.hasher.update(&buffer[..count]);
        self.at += count as u64;
        match self.len {
            Some(len) if self.at > len || count == 0 && self.at < len => {
                Err(self.trouble.fail(Trouble::of_file(wrong_len(len))))
            }
            _ => Ok(count),
        }
    }
}

impl Stream<'_> {
    /// Reads the bytes at `at`; makes another request if the connection breaks.
    fn read(&mut self, buffer: &mut [u8], at: u64, len: Option<u64>) -> Result<usize, Trouble> {
        let mut skipped = [0; 4096];
        loop {
            // What a server without ranges sends once more.
            let is_again = self.again > 0;
            let part = usize::try_from(self.again).unwrap_or(usize::MAX).min(skipped.len());
            let begin = Instant::now();
            let result = match is_again {
                true => self.reader.read(&mut skipped[..part]),
                false => self.reader.read(buffer),
            };
            let count = *result.as_ref().unwrap_or(&0);
            let is_slow = self.pace.is_too_slow(begin.elapsed(), count, self.server.silence);
            let reason = match result {
                Err(error) => agent::reason(&ureq::Error::from(error)),
                _ if is_slow => format!("it sends less than {SLOWEST} bytes a second"),
                // A proxy may end an answer that has no length, or a wrong one.
                Ok(0) if is_again || len.is_some_and(|len| at < len) => {
                    "it ends too early".to_owned()
                }
                Ok(count) if is_again => {
                    self.again -= count as u64;
                    continue;
                }
                Ok(count) => {
                    self.since += count as u64;
                    if self.since >= PROGRESS {
                        self.patience.progress();
                    }
                    return Ok(count);
                }
            };
            self.since = 0;
            self.request(at, &reason)?;
        }
    }

    /// Makes another request for the rest.
    fn request(&mut self, at: u64, reason: &str) -> Result<(), Trouble> {
        if !self.patience.wait(None) {
            return Err(Trouble::of_server(self.patience.gave_up(reason)));
        }
        let response = self.server.get(&self.url, at, &mut self.patience)?;
        let response = response.ok_or_else(|| Trouble::of_file("its file is gone".to_owned()))?;
        self.again = match (response.status().as_u16(), ContentRange::of(&response)) {
            (206, Some(sent)) if sent.range.start == at => 0,
            (206, _) => return Err(Trouble::of_server("it sends another range".to_owned())),
            // A server need not know ranges.
            _ => at,
        };
        self.reader = response.into_body().into_reader();
        self.pace.reset();
        Ok(())
    }
}
