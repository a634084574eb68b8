//! Where a binary cache is: a server or a directory; and how its files are opened.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use ureq::http::Request;
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, CONTENT_ENCODING, RANGE};
use ureq::{Agent, Body, SendBody};

use super::compression::Compression;
use super::export::Export;
use super::transfer::Transfer;
use crate::error::{Error, Result};
use crate::http::agent::{self, Settings, is_local, is_temporary, may_pass, seconds};
use crate::http::netrc;
use crate::http::patience::Patience;
use crate::show;

/// Requests to a server at once, and connections that are kept for the next ones.
pub(crate) const CONNECTIONS: usize = 16;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// Why a cache gives nothing: a text, and whether it gives nothing else either.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) reason: String,
    /// Whether others of its files may still be had.
    pub(super) is_of_file: bool,
}

/// Where a cache is.
pub(super) enum Place {
    Server(Server),
    Directory(PathBuf),
    Export(Export),
}

/// A cache that is asked over HTTP.
pub(super) struct Server {
    agent: Agent,
    /// The cache's URL, without a slash at its end.
    base: String,
    authorization: Option<String>,
    pub(super) silence: Duration,
}

impl Place {
    /// Reads the value of `--from`: a URL, a directory or a file of exported store paths. Settings of Nix behind `?` are left out.
    ///
    /// # Errors
    ///
    /// If the certificates or passwords of this machine cannot be read, or a file is not of `nix-store --export`.
    pub(super) fn parse(text: &str, silence: Duration) -> Result<Place> {
        let without_settings = || text.split('?').next().unwrap_or(text).trim_end_matches('/');
        if text.starts_with("http://") || text.starts_with("https://") {
            return Server::new(without_settings(), silence).map(Place::Server);
        }
        let path = match text.strip_prefix("file://") {
            Some(_) => {
                let path = without_settings().strip_prefix("file://").unwrap_or_default();
                let path = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
                PathBuf::from(OsString::from_vec(path))
            }
            None => PathBuf::from(text),
        };
        if path.is_file() {
            let name = show::path(&path);
            let export = Export::read(&path);
            return Ok(Place::Export(
                export.map_err(|reason| Error::NoExport { path: name, reason })?,
            ));
        }
        Ok(Place::Directory(path))
    }

    /// The cache's name in messages: without a password.
    pub(super) fn name(&self) -> String {
        match self {
            Place::Server(server) => show::text(&server.base),
            Place::Directory(dir) => show::path(dir),
            Place::Export(export) => show::path(export.file()),
        }
    }

    /// Opens a file of the cache; `None` if it has no such file. `len` is the file's length, if it is known.
    ///
    /// # Errors
    ///
    /// If there is no answer, or one that says neither yes nor no.
    pub(super) fn open<'a>(
        &'a self,
        name: &str,
        len: Option<u64>,
    ) -> std::result::Result<Option<Transfer<'a>>, Trouble> {
        match self {
            Place::Server(server) => Transfer::of_server(server, server.url(name)?, len),
            Place::Export(export) => match export.open(name, len.unwrap_or(0)) {
                Ok(nar) => Ok(Some(Transfer::of_file(nar, len))),
                Err(error) => Err(Trouble { reason: error.to_string(), is_of_file: false }),
            },
            Place::Directory(dir) => {
                let path = dir.join(below(name)?);
                match File::open(&path) {
                    Ok(file) if file.metadata().is_ok_and(|file| file.is_file()) => {
                        Ok(Some(Transfer::of_file(file, len)))
                    }
                    Ok(_) => Ok(None),
                    Err(error) if is_absent(&error) => Ok(None),
                    Err(error) => {
                        let reason = format!("{} cannot be read: {error}", show::text(name));
                        Err(Trouble { reason, is_of_file: true })
                    }
                }
            }
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Checks that a name does not lead out of a cache.
fn below(name: &str) -> std::result::Result<&Path, Trouble> {
    let path = Path::new(name);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below && !name.is_empty() {
        return Ok(path);
    }
    let reason = format!("{} is not a file of a cache", show::text(name));
    Err(Trouble { reason, is_of_file: true })
}

impl Server {
    fn new(url: &str, silence: Duration) -> Result<Server> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // Before @ stands a name and a password, as in curl.
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let port = host
            .rsplit_once(':')
            .filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        let authorization = match user {
            Some(user) => {
                let text = |part: &str| {
                    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
                };
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                Some(netrc::basic(&text(name), &text(password)))
            }
            None => netrc::authorization(port.map_or(host, |(name, _)| name))?,
        };
        let agent = agent::agent(Settings {
            connect: CONNECT,
            silence,
            kept: CONNECTIONS,
            is_local: is_local(host),
        })?;
        Ok(Server { agent, base: format!("{scheme}://{host}{path}"), authorization, silence })
    }

    /// The URL of a file. A narinfo may have a whole URL.
    fn url(&self, name: &str) -> std::result::Result<String, Trouble> {
        if name.starts_with("http://") || name.starts_with("https://") {
            return Ok(name.to_owned());
        }
        below(name)?;
        Ok(format!("{}/{name}", self.base))
    }

    /// Makes a request for a file from a byte on, and repeats it as long as that may help; `None` if there is no such
    /// file.
    ///
    /// # Errors
    ///
    /// If there is no answer, or another one.
    pub(super) fn get(
        &self,
        url: &str,
        from: u64,
        patience: &mut Patience,
    ) -> std::result::Result<Option<Response<Body>>, Trouble> {
        loop {
            let mut request = Request::get(url);
            let is_own = url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'));
            if let (Some(authorization), true) = (&self.authorization, is_own) {
                request = request.header(AUTHORIZATION, authorization);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let request = request.body(SendBody::none()).map_err(ureq::Error::from);
            let (reason, asked) = match request.and_then(|request| self.agent.run(request)) {
                Ok(response) if is_temporary(&response) => {
                    (format!("it answers {}", response.status()), seconds(&response))
                }
                Ok(response) => {
                    return match response.status().as_u16() {
                        200 | 206 => Ok(Some(response)),
                        // Some file servers say 403 for what does not exist.
                        403 | 404 | 410 => Ok(None),
                        _ => {
                            let status = response.status();
                            let reason = format!("it answers {status} for {}", show::text(url));
                            Err(Trouble { reason, is_of_file: status != 401 })
                        }
                    };
                }
                Err(error) if may_pass(&error) => (reason(&error), None),
                Err(error) => return Err(Trouble { reason: reason(&error), is_of_file: false }),
            };
            if !patience.wait(asked) {
                let attempts = patience.failures;
                let reason = format!("{reason} ({attempts} attempts)");
                return Err(Trouble { reason, is_of_file: false });
            }
        }
    }
}

/// Says what a connection failed with.
pub(super) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => show::text(&error.to_string()),
        ureq::Error::Timeout(_) => "it does not answer in time".to_owned(),
        ureq::Error::TooManyRedirects => "it sends from one URL to the next without end".to_owned(),
        error => show::text(&error.to_string()),
    }
}

/// The compression that a server says it put around a file.
pub(super) fn encoding(response: &Response<Body>) -> std::result::Result<Compression, Trouble> {
    let Some(value) = response.headers().get(CONTENT_ENCODING) else {
        return Ok(Compression::None);
    };
    let name = value.to_str().unwrap_or("?");
    Compression::of_encoding(name).ok_or_else(|| Trouble {
        reason: format!("its Content-Encoding {} is not known", show::text(name)),
        is_of_file: true,
    })
}

/// Reads a small file whole.
///
/// # Errors
///
/// If it cannot be read, or has more than `limit` bytes.
pub(super) fn read(
    place: &Place,
    name: &str,
    limit: u64,
) -> std::result::Result<Option<Vec<u8>>, Trouble> {
    let Some(mut transfer) = place.open(name, None)? else { return Ok(None) };
    let trouble = transfer.trouble();
    let encoding = transfer.encoding;
    let mut bytes = Vec::new();
    let result = encoding
        .decoder(&mut transfer)
        .and_then(|decoder| decoder.take(limit + 1).read_to_end(&mut bytes));
    match result {
        Ok(_) if bytes.len() as u64 > limit => Err(Trouble {
            reason: format!("{} has more than {limit} bytes", show::text(name)),
            is_of_file: true,
        }),
        Ok(_) => Ok(Some(bytes)),
        Err(error) => Err(trouble.take().unwrap_or_else(|| Trouble {
            reason: format!("{}: {error}", show::text(name)),
            is_of_file: true,
        })),
    }
}
