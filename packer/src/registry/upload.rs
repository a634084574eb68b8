//! Sends a blob: asks first whether it is there, takes it from another repository, sends it whole or in chunks.

use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use ureq::http::{Method, Response};

use crate::error::Result;
use crate::http::agent;
use crate::http::patience::Patience;

use super::Repository;
use super::blob::Blob;
use super::client::{self, Ask, Outcome, Payload};

/// Bytes of a chunk: what is sent again after a break. Proxies commonly refuse requests of 100 MB.
const CHUNK_LEN: u64 = 16 << 20;

/// The header with which a registry asks for larger chunks.
const MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The registry had it.
    No,
    Yes,
}

/// An upload that the registry has begun.
struct Session {
    location: String,
    /// Bytes that the registry has.
    at: u64,
    /// Bytes of a chunk.
    chunk: u64,
}

impl Repository<'_> {
    /// Whether the repository has a blob.
    ///
    /// # Errors
    ///
    /// If the registry does not say.
    pub(crate) fn has(&self, blob: &Blob) -> Result<bool> {
        let url = format!("{}/blobs/{}", self.url, blob.digest);
        let mut response = self.client.ask(&Ask::head(&url))?;
        match response.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.client.refusal_of(&mut response)),
        }
    }

    /// Sends a blob that the repository does not have, if no other repository gives it.
    ///
    /// The first attempt is one request: every registry takes that. After a break or "too large", chunks follow.
    ///
    /// # Errors
    ///
    /// If the registry does not take it.
    pub(crate) fn upload(&self, blob: &Blob) -> Result<Sent> {
        let Some(mut session) = self.begin(blob, self.from)? else {
            return Ok(Sent::No);
        };
        let mut is_whole = true;
        let mut patience = Patience::default();
        let mut furthest = 0;
        let begin = self.progress.position();
        loop {
            // An upload that begins anew is no progress before it gets further than the one before.
            if session.at > furthest {
                furthest = session.at;
                patience.progress();
            }
            self.progress.back_to(begin.saturating_add(session.at));
            let end = if is_whole {
                blob.len
            } else {
                blob.len.min(session.at.saturating_add(session.chunk))
            };
            let is_last = end == blob.len;
            match self.send(blob, &session, end)? {
                Outcome::Answer(response) if is_last && response.status() == 201 => {
                    return match client::digest(&response) {
                        Some(digest) if digest != blob.digest.to_string() => Err(self
                            .client
                            .lie(format!("{digest} as the digest of {}", blob.digest))),
                        _ => Ok(Sent::Yes),
                    };
                }
                Outcome::Answer(response) if !is_last && response.status() == 202 => {
                    session.location = self.client.location(&response)?;
                    session.at = end;
                    continue;
                }
                // Too large, for a registry or the proxy in front of it.
                Outcome::Answer(response)
                    if response.status() == 413 && is_whole && blob.len > session.chunk => {}
                // The registry has another part of the blob than packer thinks, or has forgotten the upload.
                Outcome::Answer(response)
                    if !is_whole && matches!(response.status().as_u16(), 404 | 416) =>
                {
                    self.client.wait(&mut patience, Outcome::Answer(response))?;
                }
                Outcome::Answer(mut response) if !agent::is_temporary(&response) => {
                    return Err(self.client.refusal_of(&mut response));
                }
                outcome => self.client.wait(&mut patience, outcome)?,
            }
            is_whole = false;
            session = self.resume(blob, session)?;
        }
    }

    /// Begins an upload; `None` if the registry took the blob from another repository.
    fn begin(&self, blob: &Blob, from: Option<&str>) -> Result<Option<Session>> {
        let mut url = format!("{}/blobs/uploads/", self.url);
        if let Some(from) = from {
            url = format!("{url}?mount={}&from={from}", blob.digest);
        }
        let mut response = self.client.ask(&Ask::new(Method::POST, &url, Payload::None))?;
        match response.status().as_u16() {
            201 if from.is_some() => Ok(None),
            202 => Ok(Some(Session {
                location: self.client.location(&response)?,
                at: 0,
                chunk: least(&response).max(CHUNK_LEN),
            })),
            // The user may not read the other repository, or there is none.
            401 | 403 | 404 if from.is_some() => self.begin(blob, None),
            _ => Err(self.client.refusal_of(&mut response)),
        }
    }

    /// Sends the bytes from the session's place to `end`.
    fn send(&self, blob: &Blob, session: &Session, end: u64) -> Result<Outcome> {
        let Session { location, at, .. } = session;
        let is_last = end == blob.len;
        let separator = if location.contains('?') { '&' } else { '?' };
        let last = format!("{location}{separator}digest={}", blob.digest);
        let (method, url) = if is_last { (Method::PUT, &last) } else { (Method::PATCH, location) };
        let part = Payload::Part(blob, *at..end, self.progress);
        let mut ask = Ask::new(method, url, part).header(CONTENT_TYPE, "application/octet-stream");
        if *at > 0 || !is_last {
            ask = ask.header(CONTENT_RANGE, format!("{at}-{}", end.saturating_sub(1)));
        }
        self.client.once(&ask)
    }

    /// Asks how much of the blob has come; begins again if the registry does not know.
    fn resume(&self, blob: &Blob, session: Session) -> Result<Session> {
        let response = self.client.ask(&Ask::get(&session.location))?;
        let range = response.headers().get(RANGE).and_then(|range| range.to_str().ok());
        // `0-0` is said of no byte as of one.
        let at = range
            .and_then(|range| range.rsplit_once('-')?.1.parse().ok())
            .map(|last: u64| last.saturating_add(1));
        match (response.status().as_u16(), at) {
            (204, Some(at)) if at > 1 && at < blob.len => {
                let location = self.client.location(&response)?;
                Ok(Session { location, at, ..session })
            }
            _ => self
                .begin(blob, None)?
                .ok_or_else(|| self.client.lie("a blob nobody sent".to_owned())),
        }
    }
}

/// The least length of a chunk that the registry asks for.
fn least(response: &Response<Body>) -> u64 {
    let length = response.headers().get(MIN_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
