//! The body of an answer, which has to come at some pace.

use std::io::Read as _;
use std::time::{Duration, Instant};

use ureq::http::Response;
use ureq::{Body as Sent, BodyReader};

use crate::http::agent;
use crate::http::pace::Pace;

/// The slowest transfer that is waited for, in bytes a second.
pub(super) const SLOWEST: u64 = 1 << 10;

/// Bytes after which a server that breaks off has made progress.
pub(crate) const PROGRESS: usize = 64 << 10;

/// The body of an answer.
pub(crate) struct Body {
    reader: BodyReader<'static>,
    silence: Duration,
}

impl Body {
    /// Takes an answer. `silence` is the longest one that is waited for.
    pub(crate) fn of(response: Response<Sent>, silence: Duration) -> Body {
        let reader = response.into_body().into_reader();
        Body { reader, silence }
    }

    /// Reads some bytes; 0 at the end. `pace` is that of the whole transfer, over all its requests.
    ///
    /// # Errors
    ///
    /// The reason, in words: another request may have another answer.
    pub(crate) fn read(&mut self, buffer: &mut [u8], pace: &mut Pace) -> Result<usize, String> {
        let begin = Instant::now();
        let result = self.reader.read(buffer);
        let count = *result.as_ref().unwrap_or(&0);
        let is_slow = pace.is_too_slow(begin.elapsed(), count, self.silence);
        match result {
            Err(error) => Err(agent::reason(&ureq::Error::from(error))),
            Ok(_) if is_slow => Err(format!("it sends less than {SLOWEST} bytes a second")),
            Ok(count) => Ok(count),
        }
    }

    /// Whether there is more than was announced. At the end, the connection can be used again.
    pub(crate) fn has_more(mut self, pace: &mut Pace) -> bool {
        // An error may be ignored: all that was announced has come.
        matches!(self.read(&mut [0], pace), Ok(1..))
    }
}
