//! The name of an image in a registry: `REGISTRY/NAME:TAG`, `REGISTRY/NAME@sha256:…`.

use std::fmt;

use crate::error::{Error, Result};
use crate::http::agent::is_local;
use crate::show;

use super::blob::BlobDigest;

/// The tag if none is given, as in all other tools.
const LATEST: &str = "latest";

/// The most characters of a tag.
const TAG_LEN: usize = 128;

/// The most characters of a repository's name, with the registry's.
const NAME_LEN: usize = 255;

/// What a reference points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tag(String),
    Digest(BlobDigest),
}

/// The name of an image or artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Name and port, as people write them.
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) target: Target,
}

impl Reference {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// If it is not one that a registry can have, or has no registry: which one is meant must not depend on the
    /// machine.
    pub(crate) fn parse(text: &str) -> Result<Reference> {
        parse(text).map_err(|reason| Error::NoReference { text: show::text(text), reason })
    }

    /// Another repository of the same registry.
    ///
    /// # Errors
    ///
    /// If it is not a name that a registry can have.
    pub(crate) fn beside(&self, name: &str) -> Result<Reference> {
        Reference::parse(&format!("{}/{name}", self.registry))
    }

    /// The name and port that requests go to: Docker Hub's interface has another name than Docker Hub.
    pub(crate) fn host(&self) -> &str {
        if self.is_docker_hub() { "registry-1.docker.io" } else { &self.registry }
    }

    /// The last part of the repository's name, which is no path.
    pub(crate) fn last_part(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    pub(crate) fn is_docker_hub(&self) -> bool {
        matches!(self.registry.as_str(), "docker.io" | "index.docker.io")
    }

    /// Whether the registry is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.registry)
    }
}

fn parse(text: &str) -> std::result::Result<Reference, &'static str> {
    let (registry, rest) = text.split_once('/').ok_or("it names no registry")?;
    if !(registry.contains(['.', ':']) || registry == "localhost") {
        return Err("it names no registry");
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if !registry.chars().all(is_host) {
        return Err("the registry is not a host name");
    }
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(BlobDigest::try_from(digest.to_owned())?)),
        None => (rest, None),
    };
    let (name, tag) = rest.split_once(':').unwrap_or((rest, LATEST));
    let is_tag = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if tag.is_empty()
        || tag.len() > TAG_LEN
        || tag.starts_with(['.', '-'])
        || !tag.chars().all(is_tag)
    {
        return Err("a tag has letters, digits, '_', '.' and '-'");
    }
    if !name.split('/').all(is_component) || registry.len() + name.len() > NAME_LEN {
        return Err(
            "a name has lower-case letters, digits, and '.', '_', '-' and '/' between them",
        );
    }
    let is_official = matches!(registry, "docker.io" | "index.docker.io") && !name.contains('/');
    Ok(Reference {
        registry: registry.to_owned(),
        repository: if is_official { format!("library/{name}") } else { name.to_owned() },
        target: digest.map_or_else(|| Target::Tag(tag.to_owned()), Target::Digest),
    })
}

/// Whether a name between slashes is one that a registry can have.
fn is_component(name: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    is_end(name.chars().next())
        && is_end(name.chars().last())
        && name.chars().all(is_inner)
        && !name.contains("..")
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tag(tag) => f.write_str(tag),
            Target::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reference { registry, repository, target } = self;
        match target {
            Target::Tag(tag) => write!(f, "{registry}/{repository}:{tag}"),
            Target::Digest(digest) => write!(f, "{registry}/{repository}@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed() {
        let digest = BlobDigest::of(b"abc");
        for (text, host, shown) in [
            ("localhost:5000/a/b:1.0", "localhost:5000", "localhost:5000/a/b:1.0"),
            (
                "registry.example.org/markov",
                "registry.example.org",
                "registry.example.org/markov:latest",
            ),
            ("docker.io/markov:1", "registry-1.docker.io", "docker.io/library/markov:1"),
            ("docker.io/me/markov:1", "registry-1.docker.io", "docker.io/me/markov:1"),
            (&format!("[::1]:5000/a:t@{digest}"), "[::1]:5000", &format!("[::1]:5000/a@{digest}")),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.host(), reference.to_string().as_str()), (host, shown));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "markov:1.0",
            "me/markov",
            "localhost:5000",
            "localhost/",
            "localhost/A",
            "localhost/a:",
            "localhost/a:.b",
            "localhost/a//b",
            "localhost/../b",
            "localhost/a?b",
            "a@b.c/d",
            "localhost/a@sha256:12",
            "localhost/a@md5:12",
            "a.b/c d",
            "a.b\n/c",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        let is_local =
            |registry: &str| Reference::parse(&format!("{registry}/a")).unwrap().is_local();
        for local in ["localhost", "localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:5000"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["localhost.example.org", "10.0.0.1:80", "127.0.0.1.example.org", "[::2]:1"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
