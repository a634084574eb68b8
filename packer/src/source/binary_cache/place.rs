//! Where a binary cache is: a server or a directory; and how its files are opened.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::Request;
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, CONTENT_ENCODING, RANGE};
use ureq::{Agent, Body, SendBody};

use super::compression::Compression;
use super::export::Export;
use super::transfer::Transfer;
use crate::error::{Error, Result};
use crate::http::address::{Address, without_password};
use crate::http::agent::{self, Settings, drain, is_temporary, may_pass, reason, seconds};
use crate::http::patience::Patience;
use crate::show;

/// Requests to a server at once, and connections that are kept for the next ones.
pub(crate) const CONNECTIONS: usize = 16;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// Why a cache gives nothing.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) cause: Cause,
}

/// What is the matter with a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// One file: others may still be had.
    File,
    /// The server, or the way to it.
    Server,
    /// Its certificate.
    Tls,
    /// It asks for a password that nobody gave.
    NoPassword,
    /// It does not accept the password.
    WrongPassword,
}

impl Trouble {
    pub(super) fn of_file(reason: String) -> Trouble {
        Trouble { reason, cause: Cause::File }
    }

    pub(super) fn of_server(reason: String) -> Trouble {
        Trouble { reason, cause: Cause::Server }
    }

    /// Says what a connection failed with.
    pub(super) fn of_connection(error: &ureq::Error) -> Trouble {
        let cause = match error {
            _ if agent::tls_error(error).is_some() => Cause::Tls,
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Cause::File,
            _ => Cause::Server,
        };
        Trouble { reason: reason(error), cause }
    }
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
        let no_cache = |reason: &str| {
            let text = without_password(text);
            Error::NoBinaryCache { cache: show::text(&text), reason: reason.to_owned() }
        };
        let path = match text.split_once("://") {
            Some((scheme, rest)) => {
                let rest = rest.split('?').next().unwrap_or(rest).trim_end_matches('/');
                match scheme.to_ascii_lowercase().as_str() {
                    scheme @ ("http" | "https") => {
                        return Server::new(scheme, rest, silence, no_cache).map(Place::Server);
                    }
                    "file" if rest.starts_with('/') => {
                        let path = percent_encoding::percent_decode_str(rest).collect::<Vec<u8>>();
                        PathBuf::from(OsString::from_vec(path))
                    }
                    "file" => return Err(no_cache("a file URL has three slashes: file:///DIR")),
                    _ => return Err(no_cache("packer knows the URLs http, https and file")),
                }
            }
            None => PathBuf::from(text),
        };
        if path.is_file() {
            let export = Export::read(&path);
            let failed = |reason| Error::NoExport { path: show::path(&path), reason };
            return Ok(Place::Export(export.map_err(failed)?));
        }
        match path.is_dir() {
            true => Ok(Place::Directory(path)),
            false => {
                Err(no_cache("there is no such directory or file; a URL begins with https://"))
            }
        }
    }

    /// A directory, which need not be a cache.
    pub(super) fn directory(path: &str) -> Place {
        Place::Directory(PathBuf::from(path))
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
                Err(error) => Err(Trouble::of_server(error.to_string())),
            },
            Place::Directory(dir) => {
                let path = dir.join(below(name)?);
                match open_at_once(&path) {
                    Ok(file) if file.metadata().is_ok_and(|file| file.is_file()) => {
                        Ok(Some(Transfer::of_file(file, len)))
                    }
                    Ok(_) => Ok(None),
                    Err(error) if is_absent(&error) => Ok(None),
                    Err(error) => {
                        let reason = format!("{} cannot be read: {error}", show::text(name));
                        Err(Trouble::of_file(reason))
                    }
                }
            }
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a file without waiting for somebody who writes to it, as for a named pipe.
fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    File::options().read(true).custom_flags(flags).open(path)
}

/// Checks that a name does not lead out of a cache.
fn below(name: &str) -> std::result::Result<&Path, Trouble> {
    let path = Path::new(name);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below && !name.is_empty() {
        return Ok(path);
    }
    Err(Trouble::of_file(format!("{} is not a file of a cache", show::text(name))))
}

impl Server {
    /// Makes a server of a URL's scheme and what is behind `://`.
    fn new(
        scheme: &str,
        rest: &str,
        silence: Duration,
        no_cache: impl Fn(&str) -> Error,
    ) -> Result<Server> {
        let Address { url, is_local, authorization } = Address::parse(scheme, rest, no_cache)?;
        let agent = agent::agent(Settings {
            connect: CONNECT,
            silence,
            kept: CONNECTIONS,
            is_local,
            redirected: RedirectAuthHeaders::Never,
        })?;
        Ok(Server { agent, base: url, authorization, silence })
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
            let authorization = self.authorization.as_ref().filter(|_| is_own);
            let is_told = authorization.is_some();
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let request = request.body(SendBody::none()).map_err(ureq::Error::from);
            let (reason, asked) = match request.and_then(|request| self.agent.run(request)) {
                Ok(response) if is_temporary(&response) => {
                    let failed = (format!("it answers {}", response.status()), seconds(&response));
                    drain(response);
                    failed
                }
                Ok(response) => {
                    return match response.status().as_u16() {
                        200 | 206 => Ok(Some(response)),
                        // Some file servers say 403 for what does not exist.
                        403 | 404 | 410 => {
                            drain(response);
                            Ok(None)
                        }
                        status => {
                            let answer = response.status();
                            let reason = format!("it answers {answer} for {}", show::text(url));
                            let cause = match (status, is_told) {
                                (401 | 407, false) => Cause::NoPassword,
                                (401 | 407, true) => Cause::WrongPassword,
                                _ => Cause::File,
                            };
                            Err(Trouble { reason, cause })
                        }
                    };
                }
                Err(error) if may_pass(&error) => (reason(&error), None),
                Err(error) => return Err(Trouble::of_connection(&error)),
            };
            if !patience.wait(asked) {
                return Err(Trouble::of_server(patience.gave_up(&reason)));
            }
        }
    }
}

/// The compression that a server says it put around a file.
pub(super) fn encoding(response: &Response<Body>) -> std::result::Result<Compression, Trouble> {
    let Some(value) = response.headers().get(CONTENT_ENCODING) else {
        return Ok(Compression::None);
    };
    let name = value.to_str().unwrap_or("?");
    Compression::of_encoding(name).ok_or_else(|| {
        Trouble::of_file(format!("its Content-Encoding {} is not known", show::text(name)))
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
        Ok(_) if bytes.len() as u64 > limit => {
            Err(Trouble::of_file(format!("{} has more than {limit} bytes", show::text(name))))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) => Err(trouble
            .take()
            .unwrap_or_else(|| Trouble::of_file(format!("{}: {error}", show::text(name))))),
    }
}
