//! Reads the closure from Nix's database.

use std::collections::BTreeSet;
use std::io;
use std::process::{Command, Stdio};

use format::{STORE_DIR, StorePath};

use crate::error::{Error, Result};
use crate::progress::Progress;
use runtime::error::Escaped;

const PROGRAM: &str = "nix-store";

/// Asks Nix for the closure of `roots`.
///
/// Returns `None` if Nix is not installed, or may not open its database: an ordinary user needs the Nix daemon.
/// The command line has only the roots, so its length does not limit the size of a closure.
///
/// # Errors
///
/// If a root is not valid, or Nix fails.
pub(super) fn requisites(
    roots: &[StorePath],
    progress: &Progress,
) -> Result<Option<Vec<StorePath>>> {
    let output = Command::new(PROGRAM)
        .args(["--query", "--requisites"])
        .args(roots.iter().map(|root| format!("{STORE_DIR}/{root}")))
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output.map_err(|source| Error::NixStart { program: PROGRAM, source })?,
    };
    if !output.status.success() {
        return match refusal(&output.stderr) {
            Error::Nix { message, .. } if is_forbidden(&message) => {
                progress.say(&format!("{PROGRAM}: {message}: scanning the files instead"));
                Ok(None)
            }
            error => Err(error),
        };
    }
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(parse)
        .collect::<Result<Vec<_>>>()
        .map(Some)
}

/// Store paths for one command line: far below the limit of 128 KiB for an environment with them.
pub(super) const AT_ONCE: usize = 500;

/// Finds out which store paths are valid in Nix's database; none if Nix is not installed or does not answer.
///
/// # Errors
///
/// If Nix answers something else.
pub(super) fn valid(paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
    let mut valid: BTreeSet<StorePath> = paths.iter().cloned().collect();
    for some in paths.chunks(AT_ONCE) {
        let output = Command::new(PROGRAM)
            .args(["--check-validity", "--print-invalid"])
            .args(some.iter().map(|path| format!("{STORE_DIR}/{path}")))
            .stdin(Stdio::null())
            .output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else {
            return Ok(BTreeSet::new());
        };
        for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            valid.remove(&parse(line)?);
        }
    }
    Ok(valid)
}

fn parse(line: &[u8]) -> Result<StorePath> {
    let path = StorePath::parse_full(line);
    path.map_err(|_| failed(format!("unexpected answer: {}", Escaped(line))))
}

/// Makes an error from the first error line that `nix-store` wrote; if there is none, from the last line. Warnings do not
/// count: one can quote an error, such as that another Nix has locked the database.
fn refusal(stderr: &[u8]) -> Error {
    let stderr = without_colours(stderr);
    let is_answer = |line: &&str| !line.is_empty() && !line.starts_with("warning: ");
    let lines = || stderr.lines().filter(is_answer);
    let error = |line: &str| line.split_once("error: ").map(|(_, message)| message.to_owned());
    let line = lines().find_map(error).or(lines().next_back().map(str::to_owned));
    let line = line.unwrap_or_else(|| "no message".to_owned());
    let quoted = line.strip_suffix(" is not valid").and_then(|line| line.strip_prefix("path "));
    match quoted {
        Some(path) => Error::NotValid { path: path.trim_matches('\'').to_owned() },
        None => failed(Escaped(line.as_bytes()).to_string()),
    }
}

fn failed(message: String) -> Error {
    Error::Nix { program: PROGRAM, message }
}

/// Whether a message ends with the text of EACCES or EPERM.
fn is_forbidden(message: &str) -> bool {
    ["Permission denied", "Operation not permitted"].iter().any(|end| message.ends_with(end))
}

/// Removes escape sequences, which Nix writes even if stderr is not a terminal.
fn without_colours(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        plain + piece.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(1..).unwrap_or("")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let invalid = b"warning: error: x is busy\nerror: path '/nix/store/abc-x' is not valid\n";
        match refusal(invalid) {
            Error::NotValid { path } => assert_eq!(path, "/nix/store/abc-x"),
            error => panic!("{error}"),
        }
        match refusal(b"error: creating directory '/nix/var': Permission denied\n") {
            Error::Nix { message, .. } => {
                assert!(message.starts_with("creating") && is_forbidden(&message), "{message}");
            }
            error => panic!("{error}"),
        }
        match refusal(b"  what():  \x1b[31;1merror:\x1b[0m getting status of \x1b[35;1m/x\x1b[0m\n")
        {
            Error::Nix { message, .. } => {
                assert_eq!(message, "getting status of /x");
                assert!(!is_forbidden(&message));
            }
            error => panic!("{error}"),
        }
        assert!(parse(b"/gnu/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc").is_err());
        assert!(parse(b"/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc").is_ok());
    }
}
