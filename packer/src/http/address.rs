//! The address of a server: scheme, host and path of a URL, and the name and password for the host.

use percent_encoding::percent_decode_str;
use ureq::http::uri::Authority;

use super::agent;
use super::netrc;
use crate::error::{Error, Result};

/// A URL without its password.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) url: String,
    /// Whether the host is this machine by its name.
    pub(crate) is_local: bool,
    /// The header `Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Address {
    /// Parses a URL's scheme and what is behind `://`. A name and a password stand before `@`, as in curl, or in netrc(5).
    ///
    /// # Errors
    ///
    /// What `wrong` makes of a reason, or if netrc cannot be read.
    pub(crate) fn parse(
        scheme: &str,
        rest: &str,
        wrong: impl Fn(&str) -> Error,
    ) -> Result<Address> {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let parsed = host.parse::<Authority>().map_err(|_| wrong("its URL names no host"))?;
        // ureq takes the scheme's port for one that is no number.
        let is_port = parsed.port_u16().is_some_and(|port| port > 0);
        if parsed.host().len() < host.len() && !is_port {
            return Err(wrong("its port is not a number from 1 to 65535"));
        }
        let authorization = match user {
            Some(user) => {
                let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                Some(netrc::basic(&text(name), &text(password)))
            }
            None => netrc::authorization(parsed.host())?,
        };
        let url = format!("{scheme}://{host}{path}");
        Ok(Address { url, is_local: agent::is_local(host), authorization })
    }
}

/// What should be a URL, as it may be shown: without all that is in front of the last `@`, but for a scheme.
///
/// It may be wrong: a password can have a slash in it, and the scheme can be missing.
pub(crate) fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (format!("{scheme}://"), rest),
        _ => (String::new(), url),
    };
    format!("{scheme}{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}
