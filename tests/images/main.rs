//! `packer image`: what is in the images, that their bytes are the same each time, and that real engines run them.
//!
//! Tests that need engines are ignored tests: `make test-hosts` runs them.

/// Images that containerd runs.
mod containerd;
/// Programs that run images: podman, buildah, skopeo, umoci, crun.
mod engine;
/// Each file of the closure is in the image, whatever form that has.
mod files;
/// Images to look into.
mod image;
/// Kubernetes' manifests in `docs/kubernetes.md`, run by podman and checked against Kubernetes' schemas.
mod kubernetes;
/// What a new version of one store path changes, and what images share.
mod layers;
/// Images that podman runs, as root and rootless.
mod podman;
/// What is around the store in an image.
mod root;
/// The same closure gives the same bytes.
mod same_bytes;
/// Images with a bundle and a shared cache in their layers.
mod shared_cache;
/// Images of the store alone, mounted into containers of other images.
mod store_only;
/// What is there already is replaced as a whole or not at all.
mod taken;
/// Tools that copy and unpack images.
mod tools;
