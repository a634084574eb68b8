//! The JSON documents of an image: configuration, manifest, index.

use format::Digest;
use serde_json::{Map, Value, json};

use super::layer::Written;
use super::place::Blob;

/// The file `oci-layout`: the version of the layout.
pub(crate) const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// What the documents say beside the layers.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// The name with a tag, such as `markov:latest`.
    pub(crate) name: String,
    /// `GOARCH` of the programs.
    pub(crate) architecture: String,
    /// The program; empty if the image has none.
    pub(crate) entrypoint: Vec<String>,
    /// `NAME=VALUE`.
    pub(crate) env: Vec<String>,
    pub(crate) user: String,
    pub(crate) directory: String,
    pub(crate) labels: Map<String, Value>,
    pub(crate) annotations: Map<String, Value>,
}

/// The bytes of a document. Keys are sorted, so the same image has the same bytes.
fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

fn digest(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({ "mediaType": media_type, "digest": digest(&blob.digest), "size": blob.len })
}

impl Description {
    /// The configuration.
    pub(crate) fn config(&self, layers: &[Written]) -> Vec<u8> {
        let mut run = json!({ "Labels": self.labels });
        if !self.entrypoint.is_empty() {
            run["Entrypoint"] = json!(self.entrypoint);
            run["Env"] = json!(self.env);
            run["User"] = json!(self.user);
            run["WorkingDir"] = json!(self.directory);
        }
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(&layer.diff_id)).collect();
        bytes(&json!({
            // The same closure gives the same image, so there is no time.
            "created": "1970-01-01T00:00:01Z",
            "architecture": self.architecture,
            "os": "linux",
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))
    }

    /// The manifest.
    pub(crate) fn manifest(&self, config: &Blob, layers: &[Written], media_type: &str) -> Vec<u8> {
        let layers: Vec<Value> =
            layers.iter().map(|layer| descriptor(media_type, &layer.blob)).collect();
        bytes(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": layers,
            "annotations": self.annotations,
        }))
    }

    /// The file `index.json`, which names the manifest.
    pub(crate) fn index(&self, manifest: &Blob) -> Vec<u8> {
        let mut manifest = descriptor(MANIFEST, manifest);
        manifest["platform"] = json!({ "architecture": self.architecture, "os": "linux" });
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": self.name });
        bytes(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [manifest],
        }))
    }

    /// The file `manifest.json`, by which `docker load` finds the same blobs.
    pub(crate) fn docker(&self, config: &Blob, layers: &[Written]) -> Vec<u8> {
        let blob = |blob: &Blob| format!("blobs/sha256/{}", blob.digest);
        let layers: Vec<String> = layers.iter().map(|layer| blob(&layer.blob)).collect();
        bytes(&json!([{ "Config": blob(config), "RepoTags": [self.name], "Layers": layers }]))
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
