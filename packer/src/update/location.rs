//! Where the new file of a bundle is: what the user or the manifest says, checked.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::http::address::{Address, without_password};
use crate::show;

/// The place of a file.
#[derive(Debug)]
pub(crate) enum Location {
    Server(Address),
    File(PathBuf),
}

/// On which terms packer takes what a server sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The longest silence in a transfer.
    pub(crate) silence: Duration,
    /// Whether everybody on the way may change what is sent: a key checks it, or the user said so.
    pub(crate) may_be_open: bool,
}

impl Location {
    /// Parses a URL: http, https or file.
    ///
    /// # Errors
    ///
    /// If it is none of these, or netrc(5) cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Location> {
        let wrong = |reason: &str| Error::UpdateUrl {
            url: show::text(&without_password(text)),
            reason: reason.to_owned(),
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("it has no scheme"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("http" | "https") => {
                // What is behind # is for browsers.
                let rest = rest.split('#').next().unwrap_or(rest);
                Address::parse(scheme, &with_path(rest), wrong).map(Location::Server)
            }
            "file" if rest.starts_with('/') => {
                let path = percent_decode_str(rest).collect::<Vec<u8>>();
                Ok(Location::File(PathBuf::from(OsString::from_vec(path))))
            }
            "file" => Err(wrong("a file URL has three slashes")),
            _ => Err(wrong("packer knows the schemes http, https and file")),
        }
    }

    /// The place of another file, whose name has an ending more. A query stays behind the name.
    pub(crate) fn beside(&self, ending: &str) -> Location {
        match self {
            Location::Server(address) => {
                let (path, query) =
                    address.url.split_at(address.url.find('?').unwrap_or(address.url.len()));
                Location::Server(Address {
                    url: format!("{path}{ending}{query}"),
                    authorization: address.authorization.clone(),
                    ..*address
                })
            }
            Location::File(path) => {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                Location::File(PathBuf::from(name))
            }
        }
    }

    /// Whether everybody between here and there can change what is sent.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Location::Server(address) => address.url.starts_with("http://") && !address.is_local,
            Location::File(_) => false,
        }
    }

    /// The place, for messages: without a password.
    pub(crate) fn name(&self) -> String {
        match self {
            Location::Server(address) => show::text(&address.url),
            Location::File(path) => show::path(path),
        }
    }
}

/// Puts the path `/` behind a host that has none: an ending of the URL would become one of the host's name.
fn with_path(rest: &str) -> String {
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{authority}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, name, signature) in [
            ("https://a.example/b", "https://a.example/b", "https://a.example/b.minisig"),
            ("HTTPS://a.example:1/b#c", "https://a.example:1/b", "https://a.example:1/b.minisig"),
            ("http://me:pass@a/b?c=/d", "http://a/b?c=/d", "http://a/b.minisig?c=/d"),
            ("https://me:pass@a.example", "https://a.example/", "https://a.example/.minisig"),
            ("https://a.example?b", "https://a.example/?b", "https://a.example/.minisig?b"),
            ("file:///a%20b", "/a b", "/a b.minisig"),
        ] {
            let location = Location::parse(url).unwrap();
            assert_eq!(location.name(), name);
            assert_eq!(location.beside(".minisig").name(), signature);
        }
        for url in
            ["", "b", "/b", "ftp://a/b", "file://a/b", "https://", "https://a:0/", "http://a:x/b"]
        {
            assert!(matches!(Location::parse(url), Err(Error::UpdateUrl { .. })), "{url}");
        }
        for url in [
            "ftp://me:secret@a/b",
            "me:secret@a/b",
            "ftp://me:secret/x@a/b",
            "http://me:secret@b@:x/b",
            "http:me:secret@a",
        ] {
            let error = Location::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_other_machines_without_tls_are_open() {
        for (url, is_open) in [
            ("http://a.example/b", true),
            ("https://a.example/b", false),
            ("http://127.0.0.1:80/b", false),
            ("http://localhost/b", false),
            ("file:///b", false),
        ] {
            assert_eq!(Location::parse(url).unwrap().is_open(), is_open, "{url}");
        }
    }
}
