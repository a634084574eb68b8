//! Registries of the OCI distribution specification: what a repository has, takes and gives.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md> names every request.

mod authorization;
pub(crate) mod blob;
mod client;
mod credentials;
mod download;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod reference;
mod upload;

use ureq::http::Method;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::show;

use blob::BlobDigest;
use client::{Ask, Client, Payload};
use manifest::{IMAGE_INDEX, IMAGE_MANIFEST};
use reference::Reference;

pub(crate) use client::Transport;
pub(crate) use upload::Sent;

/// What the name of a bundle in a registry begins with.
pub(crate) const SCHEME: &str = "oci://";

/// The most bytes of a manifest; the specification lets registries refuse larger ones.
pub(crate) const MANIFEST_LEN: u64 = 4 << 20;

/// The manifests that packer pushes and pulls; Docker's forms of them are in layouts that Docker writes.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";

/// What is done with a repository: registries give a token for this.
pub(crate) enum Access<'a> {
    Pull,
    /// Pushing, and taking blobs from another repository of the registry.
    Push {
        from: Option<&'a str>,
    },
}

/// A repository of a registry.
pub(crate) struct Repository<'a> {
    client: Client<'a>,
    /// The repository's URL.
    url: String,
    /// Another repository that may have what is missing.
    from: Option<&'a str>,
    progress: &'a Progress,
}

impl<'a> Repository<'a> {
    /// Finds out how to speak with the registry.
    ///
    /// # Errors
    ///
    /// If the registry cannot be reached.
    pub(crate) fn open(
        reference: &'a Reference,
        access: &Access<'a>,
        transport: Transport,
        progress: &'a Progress,
    ) -> Result<Repository<'a>> {
        let name = &reference.repository;
        let (scopes, from) = match access {
            Access::Pull => (vec![format!("repository:{name}:pull")], None),
            Access::Push { from } => {
                let own = format!("repository:{name}:pull,push");
                let other = from.map(|from| format!("repository:{from}:pull"));
                (std::iter::once(own).chain(other).collect(), *from)
            }
        };
        let client = Client::open(reference, scopes, transport)?;
        let url = format!("{}/v2/{name}", client.base);
        Ok(Repository { client, url, from, progress })
    }

    /// Reads a manifest; `name` is a tag or a digest. Returns its digest, too.
    ///
    /// # Errors
    ///
    /// If there is none, or the registry sends another one.
    pub(crate) fn manifest(&self, name: &str) -> Result<(BlobDigest, Vec<u8>)> {
        let url = format!("{}/manifests/{name}", self.url);
        let ask = Ask::get(&url).header(ACCEPT, MANIFESTS);
        let (mut response, bytes) = self.client.read(&ask, MANIFEST_LEN)?;
        if response.status() != 200 {
            return Err(self.client.refusal(&mut response, &bytes));
        }
        let digest = BlobDigest::of(&bytes);
        let expected = client::digest(&response).filter(|it| it.starts_with(BlobDigest::PREFIX));
        let is_it = !name.starts_with(BlobDigest::PREFIX) || name == digest.to_string();
        if !is_it || expected.is_some_and(|expected| expected != digest.to_string()) {
            return Err(self.client.lie(format!("a manifest that is not {name}")));
        }
        Ok((digest, bytes))
    }

    /// Makes the error for a manifest of no known form.
    pub(crate) fn no_manifest(&self) -> Error {
        self.client.lie(format!("no manifest for {}", self.client.reference))
    }

    /// Writes a manifest under a tag or its digest; `false` if the registry has it there.
    ///
    /// # Errors
    ///
    /// If the registry does not take it.
    pub(crate) fn put_manifest(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<bool> {
        let url = format!("{}/manifests/{name}", self.url);
        let digest = BlobDigest::of(bytes).to_string();
        let there = self.client.ask(&Ask::head(&url).header(ACCEPT, MANIFESTS))?;
        if there.status() == 200 && client::digest(&there) == Some(&digest) {
            return Ok(false);
        }
        let ask = Ask::new(Method::PUT, &url, Payload::Bytes(bytes));
        let mut response = self.client.ask(&ask.header(CONTENT_TYPE, media_type))?;
        match response.status().as_u16() {
            201 => Ok(true),
            _ => Err(self.client.refusal_of(&mut response)),
        }
    }
}

/// Whether a manifest of this type lists other manifests.
pub(crate) fn is_index(media_type: &str) -> bool {
    media_type == IMAGE_INDEX || media_type.ends_with(".manifest.list.v2+json")
}

/// Checks that packer knows what a manifest of this type refers to.
///
/// # Errors
///
/// If it does not.
pub(crate) fn check_type(media_type: &str) -> Result<()> {
    let is_docker = media_type.starts_with("application/vnd.docker.distribution.manifest.");
    if media_type == IMAGE_MANIFEST || media_type == IMAGE_INDEX || is_docker {
        return Ok(());
    }
    Err(Error::UnknownManifest { media_type: show::text(media_type) })
}
