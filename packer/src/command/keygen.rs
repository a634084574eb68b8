//! `packer keygen`: makes a key to sign bundles with.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::{password, print};
use crate::error::{Error, Result};
use crate::output::file::{PREFIX, dir};
use crate::trust::minisign::{self, Protection};
use crate::{cli, show};

/// Permissions of a secret key, and of a public one: nobody else may read the first, nobody else write the second.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Makes a key and writes it to two files.
///
/// # Errors
///
/// If one of the files exists or cannot be written, or there is no password.
pub(crate) fn keygen(options: &cli::Keygen) -> Result<()> {
    let (secret, default) = (&options.key, options.key.with_extension("pub"));
    let public = options.public_key.as_ref().unwrap_or(&default);
    if secret == public {
        return Err(Error::SameKeyFile { path: show::path(secret) });
    }
    // A person should not have to think of a password in vain.
    for path in [secret, public] {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
    }
    let protection = if options.no_password {
        Protection::None
    } else {
        Protection::Password(password::choose(secret)?)
    };
    let generated = minisign::generate(&protection)?;
    // The public key first: without the secret one, it is of no use, and nothing has to be taken back.
    let waiting = written(secret, &generated.secret, SECRET)?;
    publish(written(public, &generated.public, PUBLIC)?, public)?;
    publish(waiting, secret)?;
    let (secret, path) = (show::path(secret), show::path(public));
    let key = generated.public.lines().nth(1).unwrap_or_default().to_owned();
    print::text(&format!(
        "{secret} is the secret key {id}: keep it to yourself\n{path} is the public one, for everybody: {key}\n",
        id = generated.public().id(),
    ))
}

/// Writes a file with a temporary name.
fn written(path: &Path, content: &str, mode: u32) -> Result<NamedTempFile> {
    let failed = |error| Error::io("write", path, error);
    let permissions = Permissions::from_mode(mode);
    let mut builder = Builder::new();
    let mut file =
        builder.prefix(PREFIX).permissions(permissions).tempfile_in(dir(path)).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(file)
}

/// Gives a file its name, if nothing has it.
fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(taken(path)),
        Err(error) => Err(Error::io("write", path, error.error)),
    }
}

fn taken(path: &Path) -> Error {
    Error::KeyTaken { path: show::path(path) }
}
