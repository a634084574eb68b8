//! Names and passwords for servers from netrc(5), where curl and Nix look for them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

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
    let text = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    // Only the number of the line is said: what stands there may be a password.
    let entries = parse(&String::from_utf8_lossy(&text)).map_err(|line| Error::Credentials {
        file: show::path(path),
        reason: format!("line {line} is not as netrc(5) has it"),
    })?;
    let named = entries.iter().find(|entry| entry.host.as_deref() == Some(host));
    let found = named.or_else(|| entries.iter().find(|entry| entry.host.is_none()));
    Ok(found.map(|found| basic(&found.login, &found.password)))
}

/// A name and a password; for all other hosts if there is none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    host: Option<String>,
    login: String,
    password: String,
}

/// Parses a file; or returns the number of the line that is wrong. Macros are left out, as are comments.
fn parse(text: &str) -> std::result::Result<Vec<Entry>, usize> {
    let mut entries: Vec<Entry> = Vec::new();
    // A word whose value is on another line.
    let mut waiting: Option<String> = None;
    let mut is_macro = false;
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        last = number;
        is_macro = is_macro && !line.trim().is_empty();
        if is_macro {
            continue;
        }
        for word in words(line).ok_or(number)? {
            match (waiting.take().as_deref(), entries.last_mut()) {
                (None, _) if word == "default" => entries.push(Entry::default()),
                (None, _) => waiting = Some(word),
                (Some("machine"), _) => {
                    entries.push(Entry { host: Some(word), ..Entry::default() });
                }
                (Some("macdef"), _) => is_macro = true,
                (Some("login" | "user"), Some(entry)) => entry.login = word,
                (Some("password"), Some(entry)) => entry.password = word,
                (Some("account"), Some(_)) => {}
                _ => return Err(number),
            }
        }
    }
    if waiting.is_none() { Ok(entries) } else { Err(last) }
}

/// Splits a line at blanks: in quotes, they belong to a word, and a backslash before a character is left out. `None` if
/// quotes do not end.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        match first {
            '#' => break,
            blank if blank.is_whitespace() => {}
            '"' => {
                let mut word = String::new();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => word.push(characters.next()?),
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            first => {
                let mut word = String::from(first);
                while let Some(other) = characters.next_if(|other| !other.is_whitespace()) {
                    word.push(other);
                }
                words.push(word);
            }
        }
    }
    Some(words)
}

/// The header of RFC 7617.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_curl_does() {
        let entry = |host: &str, login: &str, password: &str| Entry {
            host: Some(host.to_owned()).filter(|host| !host.is_empty()),
            login: login.to_owned(),
            password: password.to_owned(),
        };
        for (text, expected) in [
            ("", vec![]),
            ("machine a login b password c", vec![entry("a", "b", "c")]),
            ("machine a\n\tlogin\n b\n# password x\npassword c#\n", vec![entry("a", "b", "c#")]),
            (
                "machine a login b account x password \"c \\\"d\\\\\"",
                vec![entry("a", "b", "c \"d\\")],
            ),
            ("macdef init\ncd /x\nmachine no\n\nmachine a", vec![entry("a", "", "")]),
            ("machine a user b default login c", vec![entry("a", "b", ""), entry("", "c", "")]),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for (text, line) in [
            ("secret", 1),
            ("login b", 1),
            ("machine a\nlogin b secret x\n", 2),
            ("machine a login", 1),
            ("machine a\n\npassword \"c\n", 3),
        ] {
            assert_eq!(parse(text), Err(line), "{text}");
        }
    }

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
