//! The new file behind a URL: ranges of it, all of one state of the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::body::{Body, PROGRESS};
use super::location::{Location, Terms};
use super::server::{Server, Validator};
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::http::content_range::ContentRange;
use crate::http::patience::Patience;
use crate::progress::Progress;
use crate::show;

/// Bytes between two ranges that are read and thrown away at once.
const SKIPPED: usize = 64 << 10;

/// How a new file can be read.
pub(crate) enum Opened {
    /// In any order.
    Ranges(Remote),
    /// From the start to the end: the server knows no ranges.
    Stream(Stream),
}

/// A file that can be read in any order.
pub(crate) struct Remote {
    source: Source,
    /// Its name, for messages.
    name: String,
    /// Bytes of the whole file, if the server says it.
    len: Option<u64>,
    /// Bytes that have come.
    pub(crate) received: u64,
}

// There is only one.
#[allow(clippy::large_enum_variant)]
enum Source {
    File(File),
    Server { server: Server, state: Option<Validator>, open: Option<Open> },
}

/// A range that is on its way.
struct Open {
    body: Body,
    rest: Range<u64>,
}

impl Opened {
    /// Opens the file, and reads `head` bytes from its start, or fewer if it has no more.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn open(
        location: &Location,
        terms: Terms,
        head: u64,
        progress: &Progress,
    ) -> Result<(Vec<u8>, Opened)> {
        let name = location.name();
        let address = match location {
            Location::Server(address) => address,
            Location::File(path) => {
                let (file, len) = open_file(path)?;
                let source = Source::File(file);
                let mut remote = Remote { source, name, len: Some(len), received: 0 };
                let head = remote.range(0..head.min(len), progress)?;
                return Ok((head, Opened::Ranges(remote)));
            }
        };
        let mut server = Server::new(address, terms)?;
        let mut patience = Patience::default();
        let response = server.get(Some(0..head), None, &mut patience)?;
        let state = Validator::of(&response);
        let sent = match response.status().as_u16() {
            206 => ContentRange::of(&response),
            200 => {
                let mut stream = Stream::new(server, response, state);
                let head = stream.head(head, progress)?;
                return Ok((head, Opened::Stream(stream)));
            }
            // An empty file has no range.
            _ => {
                let source = Source::Server { server, state, open: None };
                let remote = Remote { source, name, len: Some(0), received: 0 };
                return Ok((Vec::new(), Opened::Ranges(remote)));
            }
        };
        let Some(sent) = sent.filter(|sent| sent.range.start == 0 && sent.range.end <= head) else {
            return Err(server.lie("another range than it was asked for".to_owned()));
        };
        let open = Open { body: Body::of(response, terms.silence), rest: sent.range.clone() };
        let source = Source::Server { server, state, open: Some(open) };
        let mut remote = Remote { source, name, len: sent.total, received: 0 };
        // RFC 9110, section 15.3.7: a server may send less than it is asked for.
        let end = sent.total.map_or(sent.range.end, |total| total.min(head));
        let head = remote.range(0..end, progress)?;
        Ok((head, Opened::Ranges(remote)))
    }

    /// Bytes of the whole file, if the server says it.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Opened::Ranges(remote) => remote.len,
            Opened::Stream(stream) => stream.len,
        }
    }
}

impl Remote {
    /// Reads a range of the file.
    ///
    /// # Errors
    ///
    /// As [`Remote::read`].
    pub(crate) fn range(&mut self, range: Range<u64>, progress: &Progress) -> Result<Vec<u8>> {
        let len = usize::try_from(range.end.saturating_sub(range.start));
        let mut bytes = vec![0; len.unwrap_or(usize::MAX)];
        self.read(&mut bytes, range.start, range.end, progress)?;
        Ok(bytes)
    }

    /// Reads the bytes from `at` on. If they do not follow those that were read before in the same range, it asks for the
    /// range from `at` to `end`; what is between is left out.
    ///
    /// # Errors
    ///
    /// If they do not come, or the file is another one by now.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        at: u64,
        end: u64,
        progress: &Progress,
    ) -> Result<()> {
        let (server, state, open) = match &mut self.source {
            Source::File(file) => {
                self.received += buffer.len() as u64;
                progress.advance(buffer.len());
                let failed = |error: io::Error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => Error::UpdateChanged { url: self.name.clone() },
                    _ => Error::io("read", Path::new(&self.name), error),
                };
                return file.read_exact_at(buffer, at).map_err(failed);
            }
            Source::Server { server, state, open } => (server, state.as_ref(), open),
        };
        let mut patience = Patience::default();
        let mut skipped = vec![0; SKIPPED];
        let (mut done, mut since) = (0, 0);
        while done < buffer.len() {
            let next = at + done as u64;
            let is_open = |open: &&mut Open| open.rest.start <= next && next < open.rest.end;
            let Some(current) = open.as_mut().filter(is_open) else {
                if let Some(before) = open.take()
                    && before.rest.is_empty()
                    && before.body.has_more(&mut server.pace)
                {
                    return Err(server.lie("more than it was asked for".to_owned()));
                }
                let range = next..end.max(at + buffer.len() as u64);
                *open = Some(request(server, state, range, self.len, &mut patience)?);
                continue;
            };
            let gap = usize::try_from(next - current.rest.start).unwrap_or(usize::MAX);
            let rest = usize::try_from(current.rest.end - next).unwrap_or(usize::MAX);
            let result = match gap {
                0 => {
                    let len = rest.min(buffer.len() - done);
                    current.body.read(&mut buffer[done..][..len], &mut server.pace)
                }
                gap => current.body.read(&mut skipped[..gap.min(SKIPPED)], &mut server.pace),
            };
            match result {
                Ok(0) | Err(_) => {
                    let reason = result.err();
                    (*open, since) = (None, 0);
                    let reason = reason.unwrap_or_else(|| "it ends too early".to_owned());
                    server.wait(&mut patience, &reason, None)?;
                }
                Ok(count) => {
                    current.rest.start += count as u64;
                    self.received += count as u64;
                    done += if gap == 0 { count } else { 0 };
                    progress.advance(count);
                    since += count;
                    if since >= PROGRESS {
                        patience.progress();
                    }
                }
            }
        }
        Ok(())
    }
}

/// Asks for a range of the same state of the file.
fn request(
    server: &mut Server,
    state: Option<&Validator>,
    range: Range<u64>,
    len: Option<u64>,
    patience: &mut Patience,
) -> Result<Open> {
    let changed = |server: &Server| Err(Error::UpdateChanged { url: server.name() });
    let response = server.get(Some(range.clone()), state, patience)?;
    // 200 is the answer to If-Range if the file is another one, 416 that it is shorter.
    if response.status() != 206 || state.is_some_and(|state| state.differs(&response)) {
        return changed(server);
    }
    let sent = ContentRange::of(&response);
    let is_asked =
        |sent: &ContentRange| sent.range.start == range.start && sent.range.end <= range.end;
    let Some(sent) = sent.filter(is_asked) else {
        return Err(server.lie("another range than it was asked for".to_owned()));
    };
    if sent.total.is_some_and(|total| len.is_some_and(|len| total != len)) {
        return changed(server);
    }
    Ok(Open { body: Body::of(response, server.terms.silence), rest: sent.range })
}

/// Opens a file that is none of a device, a pipe or a directory; returns its length.
pub(crate) fn open_file(path: &Path) -> Result<(File, u64)> {
    let failed = |error| Error::io("open", path, error);
    // Opening a pipe would block until a process writes to it.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Error::NoBundle { path: show::path(path) });
    }
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((file, len))
}
