//! `packer pull`: gets a bundle from a registry.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::output::file::{self, OutputFile};
use crate::progress::Progress;
use crate::registry::image::{self, SIGNATURE_LEN};
use crate::registry::manifest::{BUNDLE, Manifest, SIGNATURE};
use crate::registry::reference::Reference;
use crate::registry::{Access, Repository, SCHEME};
use crate::show;

/// Permissions of a new file that is not executable, before the umask applies.
const PERMISSIONS: u32 = 0o666;

/// Writes the bundle, and its signature beside it if the registry has one. Both are complete when they appear.
///
/// # Errors
///
/// If the registry has no such bundle, sends another one, or the files cannot be written.
pub(crate) fn pull(options: &cli::Pull) -> Result<()> {
    let name = options.source.strip_prefix(SCHEME);
    let name = name.ok_or_else(|| Error::NoArtifact { text: show::text(&options.source) })?;
    let reference = Reference::parse(name)?;
    let path = options.output.clone().unwrap_or_else(|| PathBuf::from(reference.last_part()));
    let mut output = OutputFile::create(&path, 0)?;

    let progress = Progress::new();
    let transport = options.transport.transport();
    let repository = Repository::open(&reference, &Access::Pull, transport, &progress)?;
    let (digest, bytes) = repository.manifest(&reference.target.to_string())?;
    let manifest = serde_json::from_slice(&bytes).ok();
    let manifest: Manifest = manifest.ok_or_else(|| repository.no_manifest())?;
    let Some(bundle) = manifest.layer(BUNDLE) else {
        let found = show::text(manifest.content_type());
        return Err(Error::NotBundle { reference: reference.to_string(), found });
    };
    progress.start("receiving", Some(bundle.size));
    repository.download(bundle, |bytes| output.append(bytes))?;
    let mut signatures = Vec::new();
    for layer in manifest.layers.iter().filter(|layer| layer.media_type == SIGNATURE) {
        let Some(path) = image::signature_path(&path, layer) else { continue };
        if layer.size > SIGNATURE_LEN {
            return Err(Error::NoSignature { path: show::path(&path) });
        }
        let mut file = create(&path)?;
        let failed = |error| Error::io("write", &path, error);
        repository.download(layer, |bytes| file.write_all(bytes).map_err(failed))?;
        file.as_file().sync_all().map_err(failed)?;
        signatures.push((file, path));
    }
    // The bundle comes last: it is never there without its signature.
    for (file, path) in signatures {
        file.persist(&path).map_err(|error| Error::io("write", &path, error.error))?;
    }
    output.publish()?;
    drop(progress);
    let Reference { registry, repository, .. } = &reference;
    print::text(&format!("{} is {registry}/{repository}@{digest}\n", show::path(&path)))
}

/// Creates a file with a temporary name.
fn create(path: &Path) -> Result<NamedTempFile> {
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(Error::OutputTaken { path: show::path(path) });
    }
    let mut builder = Builder::new();
    let builder = builder.prefix(file::PREFIX).permissions(Permissions::from_mode(PERMISSIONS));
    let created: io::Result<NamedTempFile> = builder.tempfile_in(file::dir(path));
    created.map_err(|error| Error::io("write", path, error))
}
