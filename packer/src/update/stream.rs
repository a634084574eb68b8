//! The new file from its start to its end, from a server that knows no ranges.

use ureq::Body as Sent;
use ureq::http::Response;

use super::body::{Body, PROGRESS};
use super::server::{Server, Validator};
use crate::error::{Error, Result};
use crate::http::patience::Patience;
use crate::progress::Progress;

/// Bytes that are read at once.
const BUFFER_LEN: usize = 256 << 10;

/// A file on its way.
pub(crate) struct Stream {
    server: Server,
    state: Option<Validator>,
    body: Body,
    /// Bytes of the whole file, if the server says it.
    pub(super) len: Option<u64>,
    /// Bytes that were read.
    pub(crate) at: u64,
    /// Bytes since the connection broke.
    since: usize,
    patience: Patience,
}

impl Stream {
    pub(crate) fn new(
        server: Server,
        response: Response<Sent>,
        state: Option<Validator>,
    ) -> Stream {
        let len = response.body().content_length();
        let body = Body::of(response, server.terms.silence);
        Stream { server, state, body, len, at: 0, since: 0, patience: Patience::default() }
    }

    /// Reads the first bytes, or fewer if the file has no more.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    pub(crate) fn head(&mut self, len: u64, progress: &Progress) -> Result<Vec<u8>> {
        let mut head = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let mut done = 0;
        while done < head.len() {
            match self.read(&mut head[done..], progress)? {
                0 => break,
                count => done += count,
            }
        }
        head.truncate(done);
        Ok(head)
    }

    /// Reads all that is left, in pieces; it has to end where the file is said to end.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`], if the file has another length, or the first error of `write`.
    pub(crate) fn rest(
        &mut self,
        file_len: u64,
        progress: &Progress,
        mut write: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<()> {
        let wrong = |server: &Server, what: &str| {
            Err(server.lie(format!("{what} than the {file_len} bytes of the bundle")))
        };
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let at = self.at;
            match self.read(&mut buffer, progress)? {
                0 if at < file_len => return wrong(&self.server, "less"),
                0 => return Ok(()),
                count if count as u64 > file_len - at => return wrong(&self.server, "more"),
                count => write(&buffer[..count], at)?,
            }
        }
    }

    /// Reads the next bytes; 0 at the end. If the connection breaks, the server sends again what has come.
    ///
    /// # Errors
    ///
    /// If it sends nothing, or the file is another one by now.
    fn read(&mut self, buffer: &mut [u8], progress: &Progress) -> Result<usize> {
        loop {
            let reason = match self.body.read(buffer, &mut self.server.pace) {
                Ok(0) if self.len.is_some_and(|len| self.at < len) => {
                    "it ends too early".to_owned()
                }
                Ok(count) => {
                    self.at += count as u64;
                    self.since += count;
                    if self.since >= PROGRESS {
                        self.patience.progress();
                    }
                    progress.advance(count);
                    return Ok(count);
                }
                Err(reason) => reason,
            };
            self.since = 0;
            self.again(&reason)?;
        }
    }

    /// Begins anew, up to where the connection broke.
    fn again(&mut self, reason: &str) -> Result<()> {
        let mut buffer = vec![0; BUFFER_LEN];
        let mut reason = reason.to_owned();
        'requests: loop {
            self.server.wait(&mut self.patience, &reason, None)?;
            let response = self.server.get(None, None, &mut self.patience)?;
            let is_same = self.state.as_ref().is_some_and(|state| !state.differs(&response));
            if !is_same || response.body().content_length() != self.len {
                return Err(Error::UpdateChanged { url: self.server.name() });
            }
            self.body = Body::of(response, self.server.terms.silence);
            let mut left = self.at;
            while left > 0 {
                let len = usize::try_from(left).unwrap_or(BUFFER_LEN).min(BUFFER_LEN);
                reason = match self.body.read(&mut buffer[..len], &mut self.server.pace) {
                    Ok(0) => "it ends too early".to_owned(),
                    Err(reason) => reason,
                    Ok(count) => {
                        left -= count as u64;
                        continue;
                    }
                };
                continue 'requests;
            }
            return Ok(());
        }
    }
}
