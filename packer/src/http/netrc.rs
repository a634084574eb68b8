//! Names and passwords for servers from netrc(5), where curl and Nix look for them.

use std::env;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use netrc::Netrc;

use crate::error::{Error, Result};
use crate::show;

/// Where Nix has its own: the default of `netrc-file` in nix.conf(5).
const OF_NIX: &str = "/etc/nix/netrc";

/// The header `Authorization` for a host; `None` if no file names it.
///
/// # Errors
///
/// If a file cannot be read. Nix's own may be root's alone: it is left out then.
pub(crate) fn authorization(host: &str) -> Result<Option<String>> {
    let own = env::var_os("NETRC").map(PathBuf::from);
    let own = own.or_else(|| env::home_dir().map(|home| home.join(".netrc")));
    if let Some(path) = own.filter(|path| path.exists())
        && let Some(header) = in_file(&path, host)?
    {
        return Ok(Some(header));
    }
    Ok(in_file(Path::new(OF_NIX), host).ok().flatten())
}

fn in_file(path: &Path, host: &str) -> Result<Option<String>> {
    let netrc = Netrc::from_file(path).map_err(|error| match error {
        netrc::Error::Io(error) => Error::io("read", path, error),
        netrc::Error::Parsing { parser, .. } => {
            // Its text quotes what stands there, which may be a password; only the number of the line is said.
            let text = parser.to_string();
            let line = text.rsplit_once("(line ").and_then(|(_, line)| line.strip_suffix(')'));
            let line = line.filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()));
            let reason = format!("line {} is not as netrc(5) has it", line.unwrap_or("?"));
            Error::Credentials { file: show::path(path), reason }
        }
    })?;
    let found = netrc.hosts.get(host).or_else(|| netrc.hosts.get("default"));
    Ok(found.map(|found| basic(&found.login, &found.password)))
}

/// The header of RFC 7617.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn host_or_default_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("netrc");
        fs::write(
            &path,
            "machine a.example login me password \"a b\"\ndefault login x password y\n",
        )
        .unwrap();
        assert_eq!(in_file(&path, "a.example").unwrap(), Some(basic("me", "a b")));
        assert_eq!(in_file(&path, "b.example").unwrap(), Some(basic("x", "y")));
        fs::write(&path, "machine a.example login me password b").unwrap();
        assert_eq!(in_file(&path, "b.example").unwrap(), None);
        fs::write(&path, "secret").unwrap();
        let error = in_file(&path, "b.example").unwrap_err().to_string();
        assert!(error.ends_with("netrc: line 1 is not as netrc(5) has it"), "{error}");
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
