//! How packer connects: TLS, and whose certificates it trusts; and what a failure means.

use std::env;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, ProxyProtocol};

use crate::error::{Error, Result};
use crate::show;

/// Bytes of a message that are read for nothing.
const MESSAGE_LEN: usize = 4 << 10;

/// The time in which a message has to come.
const MESSAGE_TIME: Duration = Duration::from_secs(1);

/// What is known of the servers before they are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The longest wait for a connection.
    pub(crate) connect: Duration,
    /// The longest silence in a transfer.
    pub(crate) silence: Duration,
    /// Connections to one server that are kept for the next request.
    pub(crate) kept: usize,
    /// Whether the server is this machine: no proxy is asked then.
    pub(crate) is_local: bool,
    /// Whether a password goes along to where a server redirects. ureq's other rule compares hosts, not ports.
    pub(crate) redirected: RedirectAuthHeaders,
}

/// Makes what sends requests.
///
/// # Errors
///
/// If the certificates of authorities cannot be read.
pub(crate) fn agent(settings: Settings) -> Result<Agent> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("packer/", env!("CARGO_PKG_VERSION")))
        .redirect_auth_headers(settings.redirected)
        .timeout_connect(Some(settings.connect))
        .timeout_per_read(Some(settings.silence))
        // Or else one byte of a header now and then would be enough.
        .timeout_recv_response(Some(settings.silence))
        .timeout_per_write(Some(settings.silence))
        .max_idle_connections(settings.kept)
        .max_idle_connections_per_host(settings.kept)
        .proxy(proxy(settings.is_local)?);
    // Without TLS, too: an upload or a token may be at a host that has it.
    let found = rustls_native_certs::load_native_certs();
    let certs: Vec<_> =
        found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    // A file in the host's directory may be broken, the file that a person names may not.
    let is_needed = certs.is_empty() || env::var_os("SSL_CERT_FILE").is_some();
    if let (true, Some(error)) = (is_needed, found.errors.first()) {
        return Err(Error::Authorities { reason: show::text(&error.to_string()) });
    }
    let config = config.tls_config(
        TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certs)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build(),
    );
    Ok(config.build().into())
}

/// The variables that name a proxy.
const PROXIES: [&str; 3] = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"];

/// The proxy of the environment.
///
/// # Errors
///
/// If there is one that cannot be used. Who sets it does not want a direct connection.
fn proxy(is_local: bool) -> Result<Option<Proxy>> {
    if is_local {
        return Ok(None);
    }
    // Without SOCKS in it, ureq goes past such a proxy.
    let is_known =
        |proxy: &Proxy| matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    let proxy = Proxy::try_from_env().filter(is_known);
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut set = PROXIES
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_lowercase()])
        .filter(|it| is_set(it));
    match (proxy, set.next()) {
        (None, Some(variable)) => Err(Error::Proxy { variable }),
        (proxy, _) => Ok(proxy),
    }
}

/// The error of TLS inside one of a connection.
pub(crate) fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// Whether the server answered in another protocol than TLS.
pub(crate) fn is_without_tls(error: &ureq::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the server closed the connection: some do so when they are spoken to in TLS and know none.
pub(crate) fn is_closed(error: &ureq::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    matches!(error, ureq::Error::Io(error) if kinds.contains(&error.kind()))
}

/// Whether the connection broke in a way that may not happen the next time.
pub(crate) fn may_pass(error: &ureq::Error) -> bool {
    let kinds = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::TimedOut,
        io::ErrorKind::WouldBlock,
    ];
    let is_broken = match error {
        ureq::Error::Io(error) => kinds.contains(&error.kind()),
        error => matches!(error, ureq::Error::Timeout(_) | ureq::Error::Protocol(_)),
    };
    is_broken && tls_error(error).is_none()
}

/// Whether the same request may have another answer soon.
pub(crate) fn is_temporary(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// The time that a server asks to wait. A date, the other form, is not read: clocks differ.
pub(crate) fn seconds(response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

/// Reads the text of an answer that says no, so that its connection can be used again. If it is long or slow, or its
/// length is not known, the connection is closed.
pub(crate) fn drain(response: Response<Body>) {
    let body = response.into_body();
    if body.content_length().is_none_or(|len| len > MESSAGE_LEN as u64) {
        return;
    }
    let begin = Instant::now();
    let (mut reader, mut buffer) = (body.into_reader(), [0; MESSAGE_LEN]);
    // An error may be ignored: the next request is then made over another connection.
    while let Ok(1..) = reader.read(&mut buffer)
        && begin.elapsed() < MESSAGE_TIME
    {}
}

/// Says what a connection failed with, in words.
pub(crate) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => show::text(&error.to_string()),
        ureq::Error::Timeout(_) => "it does not answer in time".to_owned(),
        ureq::Error::TooManyRedirects => "it sends from one URL to the next without end".to_owned(),
        error => show::text(&error.to_string()),
    }
}

/// Whether a host, with or without a port, is this machine by its name.
pub(crate) fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    name == "localhost" || address.parse().is_ok_and(is_loopback)
}
