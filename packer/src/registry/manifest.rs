//! Manifests of the OCI image specification, as far as packer reads and writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::blob::{Blob, BlobDigest};

/// A manifest of one image or artifact.
pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A manifest that lists manifests.
pub(crate) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The configuration of what has none: `{}`.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A bundle: the artifact's type, and that of the layer with the executable.
pub(crate) const BUNDLE: &str = "application/vnd.packer.bundle.v1";

/// The layer with a signature of the bundle.
pub(crate) const SIGNATURE: &str = "application/vnd.packer.signature.v1";

/// The annotation with the name of a file.
const TITLE: &str = "org.opencontainers.image.title";

/// The annotation with the bundle's identity.
const BUNDLE_ID: &str = "packer.bundle.id";

type Annotations = BTreeMap<String, String>;

/// Says where content is: its type, digest and length.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: BlobDigest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: Annotations,
}

impl Descriptor {
    fn new(media_type: &str, blob: &Blob, title: Option<&str>) -> Descriptor {
        let annotations = title.map(|title| (TITLE.to_owned(), title.to_owned()));
        Descriptor {
            media_type: media_type.to_owned(),
            digest: blob.digest,
            size: blob.len,
            annotations: annotations.into_iter().collect(),
        }
    }

    /// The file's name.
    pub(crate) fn title(&self) -> Option<&str> {
        self.annotations.get(TITLE).map(String::as_str)
    }
}

/// A manifest of an image or artifact, or an index.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<Descriptor>,
    /// Those of an index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: Annotations,
}

/// The configuration of an artifact, which has none.
pub(crate) fn empty() -> Blob {
    Blob::bytes(b"{}".to_vec())
}

impl Manifest {
    /// Describes a bundle; `files` are the executable and its signature, with their names.
    pub(crate) fn of_bundle(id: &str, files: &[(&str, String, Blob)]) -> Manifest {
        let title = files.first().map(|(_, name, _)| (TITLE.to_owned(), name.clone()));
        let id = (BUNDLE_ID.to_owned(), id.to_owned());
        Manifest {
            schema_version: 2,
            media_type: Some(IMAGE_MANIFEST.to_owned()),
            artifact_type: Some(BUNDLE.to_owned()),
            config: Some(Descriptor::new(EMPTY, &empty(), None)),
            layers: files
                .iter()
                .map(|(media_type, name, blob)| Descriptor::new(media_type, blob, Some(name)))
                .collect(),
            manifests: Vec::new(),
            annotations: title.into_iter().chain([id]).collect(),
        }
    }

    /// What it is a manifest of: an artifact's type, or that of the configuration.
    pub(crate) fn content_type(&self) -> &str {
        let config = self.config.as_ref().map(|config| &config.media_type);
        self.artifact_type
            .as_ref()
            .or(config)
            .or(self.media_type.as_ref())
            .map_or("unknown", String::as_str)
    }

    /// The layer of this type.
    pub(crate) fn layer(&self, media_type: &str) -> Option<&Descriptor> {
        self.layers.iter().find(|layer| layer.media_type == media_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_is_described_in_the_same_bytes_each_time() {
        let blob = Blob::bytes(b"abc".to_vec());
        let manifest = Manifest::of_bundle("1f", &[(BUNDLE, "markov".to_owned(), blob)]);
        assert_eq!(
            serde_json::to_string(&manifest).unwrap(),
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.packer.bundle.v1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.packer.bundle.v1","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3,"annotations":{"org.opencontainers.image.title":"markov"}}],"annotations":{"org.opencontainers.image.title":"markov","packer.bundle.id":"1f"}}"#
        );
    }
}
