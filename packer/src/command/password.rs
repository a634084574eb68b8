//! Reads the password of a key: from `PACKER_KEY_PASSWORD`, else from the terminal, else the first line of stdin.

use std::env;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use crate::error::{Error, Result};
use crate::show;

/// The variable with the password, for machines. Root and the same user can read it while packer runs.
const VARIABLE: &str = "PACKER_KEY_PASSWORD";

/// Reads the password of a key that exists. minisign takes an empty one, so it is one.
///
/// # Errors
///
/// If there is none.
pub(super) fn read(key: &Path) -> Result<String> {
    if let Some(password) = env::var_os(VARIABLE) {
        return password.into_string().map_err(|_| none(key));
    }
    if io::stdin().is_terminal() {
        return ask("Password: ");
    }
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => Err(none(key)),
        Ok(_) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Reads the password of a new key; on a terminal, twice.
///
/// # Errors
///
/// If there is none, it is empty, or the two differ.
pub(super) fn choose(key: &Path) -> Result<String> {
    let password = read(key)?;
    if password.is_empty() {
        return Err(none(key));
    }
    let is_typed = env::var_os(VARIABLE).is_none() && io::stdin().is_terminal();
    if is_typed && ask("Password, once more: ")? != password {
        return Err(Error::OtherPassword);
    }
    Ok(password)
}

/// Asks for a password on the terminal, which does not show it.
fn ask(prompt: &str) -> Result<String> {
    rpassword::prompt_password(prompt)
        .map_err(|error| Error::io("read a password from", Path::new("/dev/tty"), error))
}

fn none(key: &Path) -> Error {
    Error::NoPassword { path: show::path(key) }
}
