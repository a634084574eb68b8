//! Builds installables with Nix and replaces them with store paths.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::show;

/// Builds the arguments of `--closure` that are installables, such as `.#markov`.
///
/// Returns all arguments, with each installable replaced by the store paths of its outputs. The messages of Nix go
/// to stderr.
///
/// # Errors
///
/// If Nix is not installed, or cannot build an installable.
pub(crate) fn build(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for argument in arguments {
        if is_installable(argument) {
            paths.extend(outputs(argument)?);
        } else {
            paths.push(argument.clone());
        }
    }
    Ok(paths)
}

/// Whether `argument` is an installable: it has an attribute, as in `.#markov`, or a scheme, as in
/// `github:owner/repository`. The path of an existing file is not an installable.
pub(crate) fn is_installable(argument: &Path) -> bool {
    let text = argument.as_os_str().as_bytes();
    let is_scheme = |text: &[u8]| {
        text.first().is_some_and(u8::is_ascii_alphabetic)
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    };
    let colon = text.iter().position(|byte| *byte == b':');
    let has_scheme = colon.is_some_and(|colon| is_scheme(&text[..colon]));
    (text.contains(&b'#') || has_scheme) && argument.symlink_metadata().is_err()
}

/// Builds one installable; returns the store paths of its outputs.
fn outputs(installable: &Path) -> Result<Vec<PathBuf>> {
    let shown = || show::path(installable);
    // --json, because --print-out-paths needs Nix 2.9, and flakes exist since Nix 2.4.
    let output = Command::new("nix")
        .args(["build", "--extra-experimental-features", "nix-command flakes"])
        .args(["--json", "--no-link", "--"])
        .arg(installable)
        // Nix may ask whether to trust the settings of a flake.
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoNix { installable: shown() });
        }
        output => output.map_err(|source| Error::NixStart { program: "nix", source })?,
    };
    if !output.status.success() {
        return Err(Error::NotBuilt { installable: shown() });
    }
    let mut paths = Vec::new();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    collect(&answer, &mut paths);
    if paths.is_empty() {
        let message = format!("unexpected answer: {}", show::os(OsStr::from_bytes(&output.stdout)));
        return Err(Error::Nix { program: "nix build", message });
    }
    Ok(paths)
}

/// Collects the store paths from the output of `nix build --json`: `[{"drvPath": …, "outputs": {"out": …}}]`, or
/// only a path for an installable that needs no build.
fn collect(answer: &Value, paths: &mut Vec<PathBuf>) {
    match answer {
        Value::String(path) => paths.push(path.into()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, paths)),
        Value::Object(fields) => {
            let made = fields.iter().filter(|(name, _)| *name != "drvPath");
            made.for_each(|(_, value)| collect(value, paths));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installables_are_told_from_paths() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a#b");
        std::fs::write(&there, "").unwrap();
        for (argument, expected) in [
            (".#markov", true),
            ("nixpkgs#hello", true),
            ("/no/such/flake#hello^bin", true),
            ("github:owner/repository", true),
            ("git+https://example.org/x?ref=main", true),
            ("path:.", true),
            ("./result", false),
            ("no/such:name", false),
            (":x", false),
            ("1:x", false),
            ("hello", false),
            (there.to_str().unwrap(), false),
        ] {
            assert_eq!(is_installable(Path::new(argument)), expected, "{argument}");
        }
    }

    #[test]
    fn answers_have_several_shapes() {
        for (answer, expected) in [
            (
                r#"[{"drvPath":"/d","outputs":{"bin":"/b","out":"/o"},"startTime":1}]"#,
                &["/b", "/o"][..],
            ),
            (r#"[{"drvPath":{"drvPath":"/d","output":"x"},"outputs":{"out":"/o"}}]"#, &["/o"]),
            (r#"[{"path":"/p"},"/q"]"#, &["/p", "/q"]),
            ("[]", &[]),
        ] {
            let mut paths = Vec::new();
            collect(&serde_json::from_str(answer).unwrap(), &mut paths);
            assert_eq!(paths, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
    }
}
