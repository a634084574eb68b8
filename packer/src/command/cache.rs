//! `packer cache`: lists or removes bundles in the caches of the user who calls it, and adds one to a cache for all
//! users.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{self, Component, Path};
use std::time::{SystemTime, UNIX_EPOCH};

use format::{Mode, Modes};
use runtime::cache::directory::Cache;
use runtime::cache::place::{self, Absent, Place};
use runtime::cache::{Collected, Form, Shared, shared};
use runtime::error::{Error as RuntimeError, Shown, Unusable};
use runtime::settings::Settings;
use runtime::system::call;
use runtime::system::file::ExactPermissions;
use runtime::system::log::Log;

use super::desktop::variables;
use super::print;
use crate::cli::{self, Force};
use crate::error::{Error, Result};
use crate::show;
use crate::source::bundle::Bundle;

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// Runs a command on a cache, or on each cache of the user.
///
/// # Errors
///
/// If a directory of the cache cannot be read or written.
pub(crate) fn cache(command: cli::Cache) -> Result<()> {
    match command {
        cli::Cache::Add(options) => add(&options),
        cli::Cache::List { at } => each(&at, |cache| list(cache, now())),
        cli::Cache::Gc { days, force, at } => {
            let before = now().saturating_sub(DAY * i64::from(days));
            each(&at, |cache| remove(cache, before, force))
        }
        cli::Cache::Clear { force, at } => each(&at, |cache| remove(cache, i64::MAX, force)),
    }
}

/// Unpacks a bundle to a shared cache.
fn add(options: &cli::Add) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    let modes = modes(&options.mode, &bundle)?;
    let mut to =
        path::absolute(&options.to).map_err(|error| Error::io("find", &options.to, error))?;
    // It could not be named in a list.
    if to.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b':' | b'\n')) {
        return Err(Error::UnlistedPath { path: show::path(&to) });
    }
    make_for_all(&to)?;
    if to.components().any(|component| component == Component::ParentDir) {
        // Users name it without.
        to = to.canonicalize().map_err(|error| Error::io("find", &to, error))?;
    }
    let unusable = |reason| Error::NoSharedCache { path: show::path(&to), reason };
    let cache = shared::open_to_fill(to.as_os_str().as_bytes()).map_err(unusable)?;
    let entry =
        Shown::from(bundle.header.descriptor.entries[0].name(&bundle.header.descriptor.paths));
    let mut text = format!("{}\n", Shown::from(&*cache.path));
    let mut has_added = false;
    for (mode, form) in [(Mode::Relocate, Form::Relocated), (Mode::Namespace, Form::AsIs)] {
        if !modes.contains(mode) {
            continue;
        }
        if let (Form::Relocated, Err(reason)) = (form, place::check_base(&cache, &bundle.header)) {
            // The other mode works there.
            if options.mode.is_empty() && modes.contains(Mode::Namespace) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "  {entry}, {mode}: not added: {reason}");
                continue;
            }
            return Err(unusable(reason));
        }
        let log = Log { on: false };
        let shared = bundle.run(|payload| Ok(cache.share(&bundle.header, payload, form, log)))?;
        let Shared { paths, unpacked } = match shared {
            Ok(shared) => shared,
            Err(error @ RuntimeError::Damaged(_)) => return Err(bundle.error(error)),
            Err(error) => {
                // The other form may have been added.
                if has_added {
                    print::text(&text)?;
                }
                return Err(Error::NotAdded { path: show::path(&to), error });
            }
        };
        has_added = true;
        let _ = writeln!(text, "  {entry}, {mode}: {paths} store paths, {unpacked} of them new");
    }
    let is_closed = |above: &&Path| above.metadata().is_ok_and(|found| found.mode() & 0o001 == 0);
    if let Some(closed) = to.ancestors().find(is_closed) {
        let closed = show::path(closed);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "hint: other users cannot reach it: {closed} is closed to them; chmod o+x"
        );
    }
    if !call::is_root() {
        text.push_str("hint: it belongs to you: for the starts of other users, root must own it\n");
    }
    print::text(&text)
}

/// Returns the modes for which a bundle is unpacked.
fn modes(names: &[String], bundle: &Bundle) -> Result<Modes> {
    let allowed = bundle.header.descriptor.modes;
    let path = || bundle.path.clone();
    let has_cache = |mode: &Mode| matches!(mode, Mode::Relocate | Mode::Namespace);
    if names.is_empty() {
        let modes: Modes = allowed.iter().filter(has_cache).collect();
        return match modes.iter().next() {
            Some(_) => Ok(modes),
            None => Err(Error::WithoutCache { path: path() }),
        };
    }
    let choose = |name: &String| match name.parse() {
        Ok(mode) if has_cache(&mode) && allowed.contains(mode) => Ok(mode),
        Ok(mode) if has_cache(&mode) => Err(Error::OtherModes { path: path(), mode }),
        _ => Err(Error::ModeWithoutCache { name: name.clone() }),
    };
    names.iter().map(choose).collect()
}

/// Makes a directory, and those above it, which everybody may read.
fn make_for_all(path: &Path) -> Result<()> {
    let _permissions = ExactPermissions::begin();
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| Error::io("create", path, error))
}

/// Runs `act` on the cache that the caller names, or on each one of the user, and prints what it returns.
fn each(
    cli::At { at }: &cli::At,
    act: impl Fn(&Cache) -> std::result::Result<String, RuntimeError>,
) -> Result<()> {
    let act = |cache: &Cache| {
        let text = act(cache).map_err(Error::Runtime)?;
        print::text(&format!("{}\n{text}", Shown::from(&*cache.path)))
    };
    if let Some(path) = at {
        let name = path.as_os_str().as_bytes();
        let cache = match Place::At(name).open(Absent::Fail) {
            // What others may use, they may list.
            Err(Unusable::ForeignOwner(_)) => shared::open(name),
            cache => cache,
        };
        let unusable = |reason| Error::NoCache { path: show::path(path), reason };
        return act(&cache.map_err(unusable)?);
    }
    // The code of the stub finds the caches, so both look in the same places.
    let variables = variables();
    let environment: Vec<_> = variables.iter().map(CString::as_c_str).collect();
    let settings = Settings::read(&environment).map_err(Error::Runtime)?;
    for place in place::places(&settings, &environment) {
        // A place without a cache is skipped: nothing was unpacked there.
        if let Ok(cache) = place.open(Absent::Fail) {
            act(&cache)?;
        }
    }
    Ok(())
}

fn remove(
    cache: &Cache,
    before: i64,
    Force { force }: Force,
) -> std::result::Result<String, RuntimeError> {
    let Collected { removed, kept } = cache.collect(before, force)?;
    let mut text = format!("  removed {removed} bundles\n");
    for (entry, reason) in &kept {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  kept {entry}: {reason}");
    }
    if kept.iter().any(|(_, reason)| !reason.is_certain()) {
        text.push_str("hint: --force removes those that are perhaps in use\n");
    }
    Ok(text)
}

fn list(cache: &Cache, now: i64) -> std::result::Result<String, RuntimeError> {
    let mut text = String::new();
    for listed in cache.list()? {
        let record = &listed.record;
        let days = now.saturating_sub(record.last_used) / DAY;
        let used = if listed.in_use { "running".to_owned() } else { format!("{days} days ago") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} ({} store paths, {used})", record.entry, record.names.len());
        for name in &record.names {
            let _ = writeln!(text, "    {name}");
        }
    }
    Ok(text)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
