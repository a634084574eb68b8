//! Requests to one registry: the connection, authorization, and repeated attempts.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use ureq::config::RedirectAuthHeaders;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION};
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use crate::error::{Error, Result};
use crate::http::agent::{self, is_temporary, seconds};
use crate::http::patience::Patience;
use crate::progress::Progress;
use crate::show;

use super::authorization::{self, Authorization};
use super::blob::Blob;
use super::reference::Reference;

/// The most bytes of an error message that are read.
const MESSAGE_LEN: u64 = 64 << 10;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// The longest silence in a transfer. Registries compute the digest of a whole blob before they answer.
const SILENCE: Duration = Duration::from_secs(300);

/// Connections that are kept; blobs are sent one after the other.
const KEPT: usize = 3;

/// How a registry may be spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS; without it only on this machine.
    Tls,
    Plain,
}

/// The content of a request.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    Part(&'a Blob, Range<u64>, &'a Progress),
}

/// A request.
pub(super) struct Ask<'a> {
    method: Method,
    url: &'a str,
    headers: Vec<(HeaderName, String)>,
    payload: Payload<'a>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: &'a str, payload: Payload<'a>) -> Ask<'a> {
        Ask { method, url, headers: Vec::new(), payload }
    }

    pub(super) fn get(url: &'a str) -> Ask<'a> {
        Ask::new(Method::GET, url, Payload::None)
    }

    pub(super) fn head(url: &'a str) -> Ask<'a> {
        Ask::new(Method::HEAD, url, Payload::None)
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Ask<'a> {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came of a request.
pub(super) enum Outcome {
    Answer(Response<Body>),
    /// The connection broke: the reason.
    Broken(String),
}

/// A registry, for the work on one repository.
pub(super) struct Client<'a> {
    agent: Agent,
    pub(super) reference: &'a Reference,
    /// Scheme, host and port.
    pub(super) base: String,
    scopes: Vec<String>,
    authorization: RefCell<Option<Authorization>>,
}

impl<'a> Client<'a> {
    /// Finds out whether the registry uses TLS.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub(super) fn open(
        reference: &'a Reference,
        scopes: Vec<String>,
        transport: Transport,
    ) -> Result<Client<'a>> {
        let is_plain = transport == Transport::Plain;
        let scheme = if is_plain { "http" } else { "https" };
        let base = format!("{scheme}://{}", reference.host());
        let is_local = reference.is_local();
        let settings = agent::Settings {
            connect: CONNECT,
            silence: SILENCE,
            kept: KEPT,
            is_local,
            redirected: RedirectAuthHeaders::SameHost,
        };
        let agent = agent::agent(settings)?;
        let mut client =
            Client { agent, reference, base, scopes, authorization: RefCell::default() };
        if !is_plain && is_local {
            let request = Request::get(format!("{}/v2/", client.base)).body(SendBody::none());
            let answer = request.map_err(ureq::Error::from).and_then(|it| client.agent.run(it));
            if answer.is_err_and(|error| agent::is_without_tls(&error) || agent::is_closed(&error))
            {
                client.base = format!("http://{}", reference.host());
            }
        }
        Ok(client)
    }

    /// Makes a request and repeats it as long as that may help.
    ///
    /// # Errors
    ///
    /// If there is no answer. An answer that says no is none.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Response<Body>> {
        let mut patience = Patience::default();
        loop {
            match self.once(ask)? {
                Outcome::Answer(response) if !is_temporary(&response) => {
                    return Ok(response);
                }
                outcome => self.wait(&mut patience, outcome)?,
            }
        }
    }

    /// As [`Client::ask`], and reads what is sent: `limit` bytes at the most.
    ///
    /// # Errors
    ///
    /// If there is no answer, or it is too long.
    pub(super) fn read(&self, ask: &Ask<'_>, limit: u64) -> Result<(Response<Body>, Vec<u8>)> {
        let mut patience = Patience::default();
        loop {
            let mut response = self.ask(ask)?;
            let mut bytes = Vec::new();
            match response.body_mut().as_reader().take(limit + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > limit => {
                    return Err(self.lie(format!("more than {limit} bytes for {}", self.reference)));
                }
                Ok(_) => return Ok((response, bytes)),
                Err(error) => self.wait(&mut patience, Outcome::Broken(error.to_string()))?,
            }
        }
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    ///
    /// What the last attempt ended with, if there should be no more.
    pub(super) fn wait(&self, patience: &mut Patience, outcome: Outcome) -> Result<()> {
        let asked = match &outcome {
            Outcome::Answer(response) => seconds(response),
            Outcome::Broken(_) => None,
        };
        if patience.wait(asked) {
            return Ok(());
        }
        Err(match outcome {
            Outcome::Answer(mut response) => self.refusal_of(&mut response),
            Outcome::Broken(reason) => {
                let registry = self.reference.registry.clone();
                Error::BrokenOff { registry, reason, attempts: patience.failures }
            }
        })
    }

    /// Makes a request; once more if the registry asks who makes it.
    ///
    /// # Errors
    ///
    /// If the registry cannot be reached at all, or there are no credentials for it.
    pub(super) fn once(&self, ask: &Ask<'_>) -> Result<Outcome> {
        let outcome = self.send(ask)?;
        let Outcome::Answer(response) = &outcome else { return Ok(outcome) };
        // What is elsewhere is not asked of this registry, and is not told who asks.
        if response.status() != 401 || !self.is_own(ask.url) {
            return Ok(outcome);
        }
        let known = self.authorization.take();
        let is_new = authorization::answer(self, response, known.as_ref())?;
        self.authorization.replace(Some(is_new));
        self.send(ask)
    }

    fn is_own(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'))
    }

    fn send(&self, ask: &Ask<'_>) -> Result<Outcome> {
        let mut request = Request::builder().method(&ask.method).uri(ask.url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if self.is_own(ask.url)
            && let Some(authorization) = &*self.authorization.borrow()
        {
            request = request.header(AUTHORIZATION, &authorization.header);
        }
        let has_body = !matches!(ask.method, Method::GET | Method::HEAD);
        let mut reader: Box<dyn io::Read + '_> = match &ask.payload {
            Payload::None => Box::new(io::empty()),
            Payload::Bytes(bytes) => Box::new(*bytes),
            Payload::Part(blob, range, progress) => {
                let reader = blob.reader(range.start, range.end);
                Box::new(progress.watch(reader))
            }
        };
        let len = match &ask.payload {
            Payload::None => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Part(_, range, _) => range.end - range.start,
        };
        let result = if has_body {
            let body = SendBody::from_reader(&mut *reader);
            let request = request.header(CONTENT_LENGTH, len).body(body);
            request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        } else {
            let request = request.body(SendBody::none());
            request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        };
        match result {
            Ok(response) => Ok(Outcome::Answer(response)),
            Err(error) => self.broken(ask.url, error).map(Outcome::Broken),
        }
    }

    /// Makes a request to the server that gives tokens; the answer has to be good.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub(super) fn token(
        &self,
        url: &str,
        make: impl Fn(&Agent) -> std::result::Result<Response<Body>, ureq::Error>,
    ) -> Result<Vec<u8>> {
        let mut patience = Patience::default();
        loop {
            let outcome = match make(&self.agent) {
                Ok(mut response) if !is_temporary(&response) => {
                    let body = response.body_mut().with_config().limit(MESSAGE_LEN).read_to_vec();
                    match body {
                        Ok(bytes) if response.status() == 200 => return Ok(bytes),
                        Ok(bytes) => return Err(self.refusal(&mut response, &bytes)),
                        Err(error) => Outcome::Broken(self.broken(url, error)?),
                    }
                }
                Ok(response) => Outcome::Answer(response),
                Err(error) => Outcome::Broken(self.broken(url, error)?),
            };
            self.wait(&mut patience, outcome)?;
        }
    }

    /// Tells a broken connection, which may hold the next time, from one that is not possible.
    fn broken(&self, url: &str, error: ureq::Error) -> Result<String> {
        let reason = match &error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        if agent::may_pass(&error) {
            return Ok(reason);
        }
        // An upload or a token can be elsewhere.
        let host = url.split('/').nth(2).filter(|_| !self.is_own(url)).map(show::text);
        let registry = host.unwrap_or_else(|| self.reference.registry.clone());
        Err(if agent::is_without_tls(&error) {
            Error::WithoutTls { registry }
        } else if agent::tls_error(&error).is_some() {
            Error::Tls { registry, reason }
        } else {
            Error::Unreachable { registry, reason }
        })
    }

    /// Makes the error for an answer that says no.
    pub(super) fn refusal_of(&self, response: &mut Response<Body>) -> Error {
        let mut bytes = Vec::new();
        // An error may be ignored: the status says enough without the message.
        let _ = response.body_mut().as_reader().take(MESSAGE_LEN).read_to_end(&mut bytes);
        self.refusal(response, &bytes)
    }

    /// As [`Client::refusal_of`]; the body was read before.
    pub(super) fn refusal(&self, response: &mut Response<Body>, body: &[u8]) -> Error {
        let registry = self.reference.registry.clone();
        let reference = self.reference.to_string();
        let status = response.status();
        let message = message(body);
        match status.as_u16() {
            401 => Error::Unauthorized {
                registry,
                message,
                file: self.authorization.borrow().as_ref().and_then(|it| it.file.clone()),
            },
            403 => Error::Forbidden { reference, message },
            404 => Error::NotInRegistry { reference, message },
            429 => Error::TooManyRequests {
                registry,
                message,
                seconds: seconds(response).map(|wait| wait.as_secs()),
            },
            _ => Error::Answer { registry, status: status.to_string(), message },
        }
    }

    /// Makes the error for an answer that is not true.
    pub(super) fn lie(&self, what: String) -> Error {
        Error::Lie { registry: self.reference.registry.clone(), what }
    }

    /// What a token is asked for.
    pub(super) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Makes a URL of a header `Location`.
    ///
    /// # Errors
    ///
    /// If there is none, or it leaves TLS.
    pub(super) fn location(&self, response: &Response<Body>) -> Result<String> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let is_plain = self.base.starts_with("http://");
        match location {
            Some(path) if path.starts_with('/') => Ok(format!("{}{path}", self.base)),
            Some(url) if url.starts_with("https://") => Ok(url.to_owned()),
            Some(url) if url.starts_with("http://") && is_plain => Ok(url.to_owned()),
            Some(url) => Err(self.lie(format!("{} as the place for an upload", show::text(url)))),
            None => Err(self.lie("no place for an upload".to_owned())),
        }
    }
}

/// The digest that the registry says its answer has.
pub(super) fn digest(response: &Response<Body>) -> Option<&str> {
    response.headers().get("docker-content-digest")?.to_str().ok()
}

/// The registry's words, in one line.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice(body).ok();
    let first = errors.and_then(|Errors { errors }| errors.into_iter().next());
    let text = first.map(|One { code, message }| if message.is_empty() { code } else { message });
    let text = text.unwrap_or_default();
    let shown = show::text(&text);
    if shown.is_empty() {
        shown
    } else {
        format!(" ({})", shown.chars().take(200).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn messages_are_one_line() {
        for (body, expected) in [
            (r#"{"errors":[{"code":"DENIED","message":"not\nyours"}]}"#, " (not\\nyours)"),
            (r#"{"errors":[{"code":"DENIED"}]}"#, " (DENIED)"),
            (r#"{"errors":[]}"#, ""),
            ("<html>no</html>", ""),
        ] {
            assert_eq!(message(body.as_bytes()), expected);
        }
    }
}
