//! Desktop entries: installs those of a bundle for the user, removes them, and lists what is installed.

mod appstream;
mod closure;
mod collect;
mod data_home;
mod entry_file;
mod exec;
mod icons;
mod installed;
mod left_out;
mod markup;
mod mime;
mod new_file;
mod programs;
mod record;
mod refresh;
mod source;
mod text;
mod transaction;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write as _;

use crate::error::{DesktopError, Error, Escaped};
use crate::payload::{Bundle, Payload};
use crate::system::call::FileSizeErrors;
use collect::collect;
use data_home::{DataHome, fit};
use installed::State;
use left_out::Lines;
use new_file::Names;
use record::{Key, Record};
use refresh::refresh;
use transaction::Locked;

/// Installs the desktop entries of the bundle at `path`, in place of those that were installed for it before; returns
/// what to say.
///
/// # Errors
///
/// If the bundle has none, is damaged, or a file cannot be written or is another program's. Then all is as before.
#[cold]
pub fn install(
    payload: &Payload<'_>,
    bundle: &Bundle,
    path: &[u8],
    environment: &[&CStr],
) -> Result<String, Error> {
    let _errors = FileSizeErrors::begin();
    let (path, digest) = (fit(path)?, installed::text(&bundle.id));
    if !installed::exists(path) {
        return Err(DesktopError::UnfitPath(path.into(), "it does not exist").into());
    }
    let home = DataHome::create(environment)?;
    let locked = Locked::new(&home)?;
    let (mut records, others): (Vec<Record>, Vec<Record>) =
        locked.installed.iter().partition(|record| record.is_of(path, Some(digest)));
    // The names stay: the user may have made an entry the default for a type of file.
    let earlier = records.iter().find(|record| record.bundle == path).or(records.first());
    let key = earlier.map_or_else(|| Key::new(path, &others), |record| record.key);
    let names = Names { bundle: path, digest, key, home: home.path };
    let (files, left_out) = collect(payload, &bundle.descriptor, &names)?;
    if files.is_empty() {
        return Err(DesktopError::NoEntry(Lines(&left_out, "", "; ").to_string().into()).into());
    }
    let new = Record { key, digest, bundle: path, directories: &[], files: &[] };
    let new = locked.replace(&records, new, &files)?;
    drop(locked);
    records.push(new);
    refresh(&home, &records, environment);
    let mut text = String::new();
    for path in new.files.iter().filter(|path| is_entry(path)) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "installed {}", Escaped(home.absolute(path)));
    }
    let _ = write!(text, "{}", Lines(&left_out, "left out ", "\n"));
    if !left_out.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

fn is_entry(path: &[u8]) -> bool {
    path.starts_with(b"applications/")
}

/// Removes the desktop entries of the bundle that is or was at `path`, or that was moved from elsewhere; returns what to
/// say.
///
/// # Errors
///
/// If none are installed, or a file cannot be removed.
#[cold]
pub fn remove(
    path: &[u8],
    bundle: Option<&Bundle>,
    environment: &[&CStr],
) -> Result<String, Error> {
    let digest = bundle.map(|bundle| installed::text(&bundle.id));
    let none = || DesktopError::NotInstalled(path.into()).into();
    let home = DataHome::open(environment)?.ok_or_else(none)?;
    let locked = Locked::new(&home)?;
    let mut removed = locked.installed.clone();
    removed.retain(|record| record.is_of(path, digest));
    removed.iter().try_for_each(|record| locked.remove(record))?;
    drop(locked);
    if removed.is_empty() {
        return Err(none());
    }
    refresh(&home, &removed, environment);
    let mut text = String::new();
    for Record { bundle, files, .. } in &removed {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "removed {} files of {}", files.len(), Escaped(bundle));
    }
    Ok(text)
}

/// Returns a line for each bundle whose desktop entries are installed: whether they still fit it.
///
/// # Errors
///
/// If the directory cannot be read.
#[cold]
pub fn list(environment: &[&CStr]) -> Result<String, Error> {
    let Some(home) = DataHome::open(environment)? else { return Ok(String::new()) };
    let mut states = Vec::new();
    for record in transaction::installed(&home)? {
        states.push((record, State::of(&home, &record)));
    }
    for record in transaction::unfinished(&home)? {
        states.push((record, State::Unfinished));
    }
    let mut text = String::new();
    for (Record { bundle, files, .. }, state) in &states {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {state}", Escaped(bundle));
        for path in files.iter().filter(|path| is_entry(path)) {
            let _ = writeln!(text, "  {}", Escaped(path));
        }
    }
    if states.iter().any(|(_, state)| *state != State::Ok) {
        text.push_str(
            "hint: install again from where the bundle is now, or remove by its path in this list\n",
        );
    }
    Ok(text)
}
