//! `packer sign`: signs a whole bundle as minisign does.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{password, print};
use crate::error::{Error, Result};
use crate::output::file::OutputFile;
use crate::sbom::name;
use crate::source::bundle::Bundle;
use crate::trust::minisign::{self, BundleKey, FILE_LEN, SecretKey};
use crate::{cli, show};

/// Signs a bundle; writes the signature beside it.
///
/// # Errors
///
/// If the file is not a bundle, the key cannot be used, or the signature cannot be written.
pub(crate) fn sign(options: &cli::Sign) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    let text = read(&options.key)?;
    let key = SecretKey::parse(&text, &show::path(&options.key), || password::read(&options.key))?;
    let comment = comment(&bundle);
    let signature = key.sign(&bundle.file, &bundle.path, &comment)?;
    let path = minisign::beside(&options.bundle, minisign::ENDING);
    let mut output = OutputFile::create_data(&path)?;
    output.append(signature.as_bytes())?;
    output.publish()?;
    print::text(&format!("{}: {comment}\n", show::path(&path)))
}

/// Returns a public key: its 56 characters, or the path of one.
///
/// # Errors
///
/// If it is neither.
pub(super) fn public_key(key: &Path) -> Result<BundleKey> {
    match key.to_str().and_then(BundleKey::parse) {
        Some(key) => Ok(key),
        None => BundleKey::parse_file(&read(key)?, &show::path(key)),
    }
}

/// Reads a file with a key or a signature.
///
/// # Errors
///
/// If it cannot be read. Bytes that are no text are replaced: then it is none of the two.
pub(super) fn read(path: &Path) -> Result<String> {
    let failed = |error| Error::io("read", path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_LEN).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is signed with the bundle: one line of fields with tabs between them, the first of which is minisign's own.
/// docs/signatures.md has its form.
fn comment(bundle: &Bundle) -> String {
    let descriptor = &bundle.header.descriptor;
    let path = &descriptor.paths[usize::from(descriptor.entries[0].path)].path;
    let (name, version) = name::split(path.name());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let release = &bundle.sections.manifest.release.version;
    let version = match if release.is_empty() { version } else { release } {
        "" => String::new(),
        // Tabs and ends of lines are between the fields.
        version => format!("\tversion:{}", version.escape_default()),
    };
    let (seconds, id) = (since.as_secs(), bundle.header.id);
    format!("timestamp:{seconds}\tname:{name}{version}\tbundle:{id}")
}
