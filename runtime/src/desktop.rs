//! Desktop entries: installs those of a bundle for the user, removes them, and lists what is installed.

mod closure;
mod collect;
mod data_home;
mod entry_file;
mod exec;
mod installed;
mod left_out;
mod markup;
mod programs;
mod record;
mod refresh;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write as _;

use crate::error::{DesktopError, Error, Shown};
use crate::payload::{Bundle, Payload};
use crate::system::call::FileSizeErrors;
use collect::{Names, NewFile};
use data_home::{DataHome, Locked, fit};
use left_out::Lines;
use record::{Key, Record};

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
    let (path, digest) = (fit(path)?, bundle.id.to_string());
    if !installed::exists(path) {
        return Err(DesktopError::UnfitPath(path.into(), "it does not exist").into());
    }
    let home = DataHome::create(environment)?;
    let locked = home.lock()?;
    let result = replace(&home, &locked, payload, bundle, (path, digest));
    home.unlock(locked);
    let (old, new, text) = result?;
    let files = old.iter().chain([&new]).flat_map(|record| &record.files);
    refresh::refresh(&home, files.map(|path| &**path), environment);
    Ok(text)
}

/// Writes the files; returns the records of what is replaced and of what is there now, and what to say.
fn replace(
    home: &DataHome,
    locked: &Locked,
    payload: &Payload<'_>,
    bundle: &Bundle,
    (path, digest): (&str, String),
) -> Result<(Vec<Record>, Record, String), Error> {
    let (old, others): (Vec<Record>, Vec<Record>) = home
        .installed()?
        .into_iter()
        .partition(|record| installed::is_of(record, path, Some(&digest)));
    let others: Vec<Key> = others.into_iter().map(|record| record.key).collect();
    // The names stay: the user may have made an entry the default for a type of file.
    let key = old.first().map_or_else(|| Key::new(path, &others), |record| record.key.clone());
    let names = Names { bundle: path, digest: &digest, key: &key, home: &home.path };
    let (files, left_out) = collect::collect(payload, &bundle.descriptor, &names)?;
    if files.is_empty() {
        return Err(DesktopError::NoEntry(Lines(&left_out, "; ").to_string().into()).into());
    }
    let mut new =
        Record { key, digest, bundle: path.into(), directories: Vec::new(), files: Vec::new() };
    home.replace(locked, &old, &mut new, &files)?;
    let mut text = String::new();
    for NewFile { path, .. } in files.iter().filter(|file| file.path.starts_with("applications/")) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "installed {}/{path}", home.path);
    }
    for line in Lines(&left_out, "\n").to_string().lines() {
        let _ = writeln!(text, "left out {line}");
    }
    Ok((old, new, text))
}

/// Removes the desktop entries of the bundle that is or was at `path`, or has this digest and was moved from elsewhere;
/// returns what to say.
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
    let path = fit(path)?;
    let digest = bundle.map(|bundle| bundle.id.to_string());
    let home = DataHome::create(environment)?;
    let locked = home.lock()?;
    let mut removed = home.installed()?;
    removed.retain(|record| installed::is_of(record, path, digest.as_deref()));
    let result = removed.iter().try_for_each(|record| home.remove(&locked, record));
    home.unlock(locked);
    result?;
    if removed.is_empty() {
        return Err(DesktopError::NotInstalled(path.into()).into());
    }
    let files = removed.iter().flat_map(|record| &record.files);
    refresh::refresh(&home, files.map(|path| &**path), environment);
    let line = |Record { bundle, files, .. }: &Record| {
        alloc::format!("removed {} files of {bundle}\n", files.len())
    };
    Ok(removed.iter().map(line).collect())
}

/// Returns a line for each bundle whose desktop entries are installed: whether they still fit it.
///
/// # Errors
///
/// If the directory cannot be read.
#[cold]
pub fn list(environment: &[&CStr]) -> Result<String, Error> {
    let home = match DataHome::open(environment) {
        Err(Error::Desktop(DesktopError::File { errno: rustix::io::Errno::NOENT, .. })) => {
            return Ok(String::new());
        }
        home => home?,
    };
    let mut text = String::new();
    let mut has_stale = false;
    for record in home.installed()? {
        let state = installed::state(&home, &record);
        has_stale |= state != installed::State::Ok;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {state}", record.bundle);
        for path in record.files.iter().filter(|path| path.starts_with("applications/")) {
            let _ = writeln!(text, "  {}", Shown::from(&**path));
        }
    }
    for record in home.unfinished()? {
        has_stale = true;
        let _ = writeln!(
            text,
            "{}: unfinished: an installation is at work or was killed",
            record.bundle
        );
    }
    if has_stale {
        text.push_str("hint: install again from where the bundle is now, or remove by the path in this list\n");
    }
    Ok(text)
}
