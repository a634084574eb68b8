//! Reads a blob, goes on where a connection broke, and checks length and digest.

use std::io::Read as _;

use format::Hasher;
use ureq::http::header::RANGE;

use crate::error::Result;
use crate::http::agent;
use crate::http::content_range::ContentRange;
use crate::http::patience::Patience;

use super::Repository;
use super::blob::BlobDigest;
use super::client::{Ask, Outcome};
use super::manifest::Descriptor;

/// Bytes read at once.
const BUFFER_LEN: usize = 1 << 20;

impl Repository<'_> {
    /// Reads a blob and gives its bytes to `write`. They are right only if this function returns no error.
    ///
    /// # Errors
    ///
    /// If the registry does not have the blob or sends another one, or `write` fails.
    pub(crate) fn download(
        &self,
        blob: &Descriptor,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let url = format!("{}/blobs/{}", self.url, blob.digest);
        let wrong = |what: &str| self.client.lie(format!("{what} for {}", blob.digest));
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; BUFFER_LEN];
        let mut at = 0;
        let mut patience = Patience::default();
        while at < blob.size {
            let mut ask = Ask::get(&url);
            if at > 0 {
                ask = ask.header(RANGE, format!("bytes={at}-"));
            }
            let mut response = match self.client.once(&ask)? {
                Outcome::Answer(response) if !agent::is_temporary(&response) => response,
                outcome => {
                    self.client.wait(&mut patience, outcome)?;
                    continue;
                }
            };
            let mut skip = match response.status().as_u16() {
                // A registry need not know ranges.
                200 => at,
                206 if ContentRange::of(&response).is_some_and(|sent| sent.range.start == at) => 0,
                206 => return Err(wrong("another range")),
                _ => return Err(self.client.refusal_of(&mut response)),
            };
            let mut reader = response.body_mut().as_reader();
            let broken = loop {
                match reader.read(&mut buffer) {
                    Ok(0) if at < blob.size => return Err(wrong("too few bytes")),
                    Ok(0) => break None,
                    Ok(count) => {
                        let skipped = count.min(usize::try_from(skip).unwrap_or(usize::MAX));
                        skip -= skipped as u64;
                        let new = &buffer[skipped..count];
                        if new.len() as u64 > blob.size - at {
                            return Err(wrong("too many bytes"));
                        }
                        hasher.update(new);
                        write(new)?;
                        at += new.len() as u64;
                        self.progress.advance(new.len());
                        if !new.is_empty() {
                            patience.progress();
                        }
                    }
                    Err(error) => break Some(error),
                }
            };
            if let Some(error) = broken
                && at < blob.size
            {
                self.client.wait(&mut patience, Outcome::Broken(error.to_string()))?;
            }
        }
        if BlobDigest::from(hasher.finish()) == blob.digest {
            Ok(())
        } else {
            Err(wrong("other bytes"))
        }
    }
}
