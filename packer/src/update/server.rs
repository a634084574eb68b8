//! Requests to the server of a new file: redirects, passwords, repeated attempts, and what an answer says of the file.

use std::ops::Range;
use std::time::{Duration, Instant};

use ureq::config::RedirectAuthHeaders;
use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED,
    LOCATION, RANGE,
};
use ureq::http::{Request, Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::body::SLOWEST;
use super::location::Terms;
use crate::error::{Error, Result};
use crate::http::address::{Address, without_password};
use crate::http::agent::{self, Settings, drain, is_temporary, may_pass, seconds};
use crate::http::pace::Pace;
use crate::http::patience::Patience;
use crate::show;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// Connections that are kept: ranges are asked for one after the other.
const KEPT: usize = 1;

/// Redirects that are followed.
const REDIRECTS: usize = 10;

/// A server with a file.
pub(crate) struct Server {
    agent: Agent,
    /// The URL that the user gave.
    url: String,
    /// Where it led to: mirrors behind one URL have other validators.
    at: String,
    authorization: Option<String>,
    pub(crate) terms: Terms,
    /// The pace of all that it sends: a server cannot begin anew with each request.
    pub(crate) pace: Pace,
}

/// What tells one state of the file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator(HeaderName, String);

impl Validator {
    /// Takes a strong ETag; else the time of the last change, whose unit is a second.
    pub(crate) fn of(response: &Response<Body>) -> Option<Validator> {
        let header = |name: HeaderName| {
            let text = response.headers().get(&name)?.to_str().ok()?.to_owned();
            Some(Validator(name, text))
        };
        // RFC 9110, section 13.1.5: If-Range takes no weak ones.
        let strong = header(ETAG).filter(|Validator(_, text)| text.starts_with('"'));
        strong.or_else(|| header(LAST_MODIFIED))
    }

    /// Whether an answer is of another state of the file. One that does not say so is not.
    pub(crate) fn differs(&self, response: &Response<Body>) -> bool {
        let found = response.headers().get(&self.0);
        found.is_some_and(|found| found.as_bytes() != self.1.as_bytes())
    }
}

impl Server {
    /// Takes the address of a file.
    ///
    /// # Errors
    ///
    /// If the certificates of authorities cannot be read.
    pub(crate) fn new(address: &Address, terms: Terms) -> Result<Server> {
        let agent = agent::agent(Settings {
            connect: CONNECT,
            silence: terms.silence,
            kept: KEPT,
            is_local: address.is_local,
            redirected: RedirectAuthHeaders::Never,
        })?;
        let (url, authorization) = (address.url.clone(), address.authorization.clone());
        let pace = Pace::new(SLOWEST);
        Ok(Server { agent, at: url.clone(), url, authorization, terms, pace })
    }

    /// The server's URL, for messages.
    pub(crate) fn name(&self) -> String {
        show::text(&self.url)
    }

    /// Asks for the file, or for a range of one state of it. The answer is 200, 206 or 416, and has no compression.
    ///
    /// # Errors
    ///
    /// If there is none, or another one.
    pub(crate) fn get(
        &mut self,
        range: Option<Range<u64>>,
        state: Option<&Validator>,
        patience: &mut Patience,
    ) -> Result<Response<Body>> {
        loop {
            let is_elsewhere = self.at != self.url;
            let outcome = self.once(range.as_ref(), state);
            if is_elsewhere && !outcome.as_ref().is_ok_and(is_answer) {
                // The place that the URL led to may hold for some minutes only, or be down.
                self.at.clone_from(&self.url);
                continue;
            }
            let (reason, asked) = match outcome {
                Ok(response) if is_temporary(&response) => {
                    let failed = (answer(response.status()), seconds(&response));
                    drain(response);
                    failed
                }
                Ok(response) if is_answer(&response) => return self.plain(response),
                Ok(response) => return Err(self.refusal(response.status())),
                Err(error) if may_pass(&error) => (agent::reason(&error), None),
                Err(error) => return Err(self.broken(&error)),
            };
            self.wait(patience, &reason, asked)?;
        }
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    ///
    /// The reason, if there should be no more.
    pub(crate) fn wait(
        &self,
        patience: &mut Patience,
        reason: &str,
        asked: Option<Duration>,
    ) -> Result<()> {
        match patience.wait(asked) {
            true => Ok(()),
            false => Err(self.trouble(patience.gave_up(reason))),
        }
    }

    /// Asks once, and follows redirects. Not ureq does: it reads the bodies of redirects without a bound, and takes each
    /// URL without TLS.
    fn once(
        &mut self,
        range: Option<&Range<u64>>,
        state: Option<&Validator>,
    ) -> std::result::Result<Response<Body>, ureq::Error> {
        let mut url = self.at.clone();
        for _ in 0..=REDIRECTS {
            let begin = Instant::now();
            let response = self.ask(&url, range, state)?;
            self.pace.wait(begin.elapsed());
            let Some(next) = redirect(&url, &response) else {
                if response.status().is_success() {
                    self.at = url;
                }
                return Ok(response);
            };
            drain(response);
            if !self.terms.may_be_open && is_open(&next) {
                return Err(ureq::Error::RequireHttpsOnly(next));
            }
            url = next;
        }
        Err(ureq::Error::TooManyRedirects)
    }

    fn ask(
        &self,
        url: &str,
        range: Option<&Range<u64>>,
        state: Option<&Validator>,
    ) -> std::result::Result<Response<Body>, ureq::Error> {
        let mut request = Request::get(url).header(ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        if let Some(Validator(_, text)) = state {
            request = request.header(IF_RANGE, text);
        }
        if let Some(authorization) = self.authorization.as_ref()
            && origin(url) == origin(&self.url)
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(SendBody::none())?;
        // A redirect out of TLS would leave the new file to whoever is on the way.
        let is_tls = self.url.starts_with("https://");
        let request = self.agent.configure_request(request).https_only(is_tls).max_redirects(0);
        self.agent.run(request.max_redirects_will_error(false).build())
    }

    fn plain(&self, response: Response<Body>) -> Result<Response<Body>> {
        match response.headers().get(CONTENT_ENCODING) {
            Some(name) if name != "identity" => {
                let name = show::text(name.to_str().unwrap_or("?"));
                Err(self.lie(format!("the file with a compression around it ({name})")))
            }
            _ => Ok(response),
        }
    }

    fn refusal(&self, status: StatusCode) -> Error {
        let url = self.name();
        match status.as_u16() {
            401 | 407 if self.authorization.is_none() => Error::UpdateAsks { url },
            401 | 407 => Error::UpdateDenies { url },
            404 | 410 => Error::NotAtUrl { url, status: status.to_string() },
            _ => self.trouble(answer(status)),
        }
    }

    fn broken(&self, error: &ureq::Error) -> Error {
        let reason = agent::reason(error);
        match error {
            _ if agent::tls_error(error).is_some() => Error::Tls { registry: self.name(), reason },
            ureq::Error::RequireHttpsOnly(url) if !self.url.starts_with("https://") => {
                Error::UpdatePlain { url: show::text(&without_password(url)) }
            }
            ureq::Error::RequireHttpsOnly(url) => {
                self.lie(format!("packer on to {}, which has no TLS", show::text(url)))
            }
            _ => self.trouble(reason),
        }
    }

    /// Makes the error for what may be better later.
    pub(crate) fn trouble(&self, reason: String) -> Error {
        Error::UpdateTrouble { url: self.name(), reason }
    }

    /// Makes the error for an answer that is not right.
    pub(crate) fn lie(&self, what: String) -> Error {
        Error::UpdateLie { url: self.name(), what }
    }
}

/// Whether an answer is one of those that a range can have.
fn is_answer(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 200 | 206 | 416)
}

fn answer(status: StatusCode) -> String {
    format!("it answers {status}")
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    Some((scheme, rest.split(['/', '?']).next().unwrap_or(rest)))
}

/// Whether everybody between here and a URL can change what is sent.
fn is_open(url: &str) -> bool {
    origin(url).is_some_and(|(scheme, host)| {
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        scheme.eq_ignore_ascii_case("http") && !agent::is_local(host)
    })
}

/// Where an answer to a request for `url` leads to.
fn redirect(url: &str, response: &Response<Body>) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    resolve(url, response.headers().get(LOCATION)?.to_str().ok()?)
}

/// Resolves a reference, as in RFC 3986, section 5.2; servers remove the dots.
fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next()?;
    let (scheme, rest) = base.split_once("://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = path.split('?').next()?;
    let colon = reference.find([':', '/', '?']);
    Some(match reference {
        "" => return None,
        _ if colon.is_some_and(|at| reference[at..].starts_with(':')) => reference.to_owned(),
        _ if reference.starts_with("//") => format!("{scheme}:{reference}"),
        _ if reference.starts_with('/') => format!("{scheme}://{host}{reference}"),
        _ if reference.starts_with('?') => format!("{scheme}://{host}{path}{reference}"),
        _ => {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            format!("{scheme}://{host}{above}/{reference}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        for (base, reference, expected) in [
            ("http://a/b/c", "https://x/y#z", Some("https://x/y")),
            ("https://a/b/c", "//x/y", Some("https://x/y")),
            ("https://me@a:1/b/c?d=/e", "/f?g=:", Some("https://me@a:1/f?g=:")),
            ("https://a/b/c?d=/e", "f", Some("https://a/b/f")),
            ("https://a/b/c?d", "?g", Some("https://a/b/c?g")),
            ("https://a", "f/g:h", Some("https://a/f/g:h")),
            ("https://a/b", "", None),
            ("https://a/b", "#c", None),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), expected, "{base} {reference}");
        }
    }

    #[test]
    fn urls_without_tls_are_open() {
        for (url, expected) in [
            ("http://a.example/b", true),
            ("HTTP://127.0.0.1@a.example", true),
            ("https://a.example/b", false),
            ("http://127.0.0.1:80/b", false),
        ] {
            assert_eq!(is_open(url), expected, "{url}");
        }
    }
}
