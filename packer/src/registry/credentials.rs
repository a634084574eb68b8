//! Finds the credentials for a registry where podman, skopeo and docker keep them.
//!
//! containers-auth.json(5) describes the files and their order.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use crate::error::{Error, Result};
use crate::show;

use super::reference::Reference;

/// Docker Hub's name in docker's file.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What helpers say when they have nothing: docker-credential-helpers compares the same text.
const NOT_FOUND: &str = "credentials not found";

/// Credentials.
pub(super) struct Found {
    pub(super) credential: DockerCredential,
    /// The file that has them, or names the helper that does.
    pub(super) file: String,
}

/// Finds the credentials for a repository; `None` if there are none.
///
/// # Errors
///
/// If a file or a helper does not work, and no other one has credentials.
pub(super) fn find(reference: &Reference) -> Result<Option<Found>> {
    let mut first = None;
    for path in files() {
        let text = match fs::read(&path) {
            Ok(text) => text,
            // One that is named has to be there.
            Err(error) if is_absent(&error) && !is_named() => continue,
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let file = show::path(&path);
        for key in keys(reference) {
            match docker_credential::get_credential_from_reader(text.as_slice(), &key) {
                Ok(credential) => return Ok(Some(Found { credential, file })),
                Err(error) if is_missing(&error) => {}
                Err(error) => first = first.or(Some((file.clone(), error))),
            }
        }
    }
    match first {
        None => Ok(None),
        Some((file, error)) => Err(Error::Credentials { file, reason: reason(&error) }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_named() -> bool {
    variable("REGISTRY_AUTH_FILE").is_some()
}

/// A path in a variable that is not empty.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The files, in the order in which they are read.
fn files() -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = variable("HOME");
    let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
    [
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .or_else(|| below_home(".config"))
            .map(|dir| dir.join("containers/auth.json")),
        variable("DOCKER_CONFIG")
            .or_else(|| below_home(".docker"))
            .map(|dir| dir.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names that a file may have for a repository, the most specific first.
fn keys(reference: &Reference) -> Vec<String> {
    let full = format!("{}/{}", reference.registry, reference.repository);
    let mut keys: Vec<String> = full
        .match_indices('/')
        .map(|(at, _)| full[..at].to_owned())
        .chain([full.clone()])
        .rev()
        .collect();
    if reference.is_docker_hub() {
        keys.push(DOCKER_HUB.to_owned());
    }
    keys
}

fn is_missing(error: &CredentialRetrievalError) -> bool {
    match error {
        CredentialRetrievalError::NoCredentialConfigured => true,
        CredentialRetrievalError::HelperFailure { stdout, stderr, .. } => {
            [stdout, stderr].into_iter().any(|text| text.contains(NOT_FOUND))
        }
        _ => false,
    }
}

/// What is wrong, in one line.
fn reason(error: &CredentialRetrievalError) -> String {
    let text = match error {
        CredentialRetrievalError::HelperFailure { helper, stdout, stderr } => {
            let said = if stderr.trim().is_empty() { stdout } else { stderr };
            format!("{helper} failed: {}", said.trim())
        }
        CredentialRetrievalError::HelperCommunicationError => {
            "its credential helper cannot be run".to_owned()
        }
        CredentialRetrievalError::ConfigReadError => {
            "it is not JSON of the expected form".to_owned()
        }
        error => error.to_string(),
    };
    show::text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_specific_name_comes_first() {
        let keys = |text| keys(&Reference::parse(text).unwrap());
        assert_eq!(keys("quay.io/a/b:1"), ["quay.io/a/b", "quay.io/a", "quay.io"]);
        assert_eq!(
            keys("docker.io/b"),
            ["docker.io/library/b", "docker.io/library", "docker.io", DOCKER_HUB]
        );
    }
}
