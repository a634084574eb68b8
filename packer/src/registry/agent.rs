//! How packer connects: TLS, whose certificates it trusts, how long it waits; and what a failure means.

use std::env;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::error::{Error, Result};
use crate::show;

use super::reference::Reference;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// The longest silence in a transfer. Registries compute the digest of a whole blob before they answer.
const SILENCE: Duration = Duration::from_secs(300);

/// How a registry may be spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS; without it only on this machine.
    Tls,
    Plain,
}

/// Makes what sends requests.
///
/// # Errors
///
/// If the certificates of authorities cannot be read.
pub(super) fn agent(reference: &Reference) -> Result<Agent> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("packer/", env!("CARGO_PKG_VERSION")))
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(SILENCE))
        .timeout_per_write(Some(SILENCE))
        .proxy(if reference.is_local() { None } else { Proxy::try_from_env() });
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

/// The error of TLS inside one of a connection.
pub(super) fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// Whether the server answered in another protocol than TLS.
pub(super) fn is_without_tls(error: &ureq::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the server closed the connection: some do so when they are spoken to in TLS and know none.
pub(super) fn is_closed(error: &ureq::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    matches!(error, ureq::Error::Io(error) if kinds.contains(&error.kind()))
}
