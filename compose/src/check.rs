//! What is wrong with a composition: what can be known before anything is started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use nix::sys::signal::Signal;

use crate::composition::{Check, Composition, Service, address, http};
use crate::error::{Error, Result};
use crate::placeholders::Placeholders;

/// Bytes of a composition's name: its directory for sockets has a path of less than 107 bytes.
const NAME_LEN: usize = 50;

/// The placeholders that are no variables.
const OWN: [&str; 4] = ["STATE", "RUN", "CWD", "DATA"];

/// Checks a composition.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check(composition: &Composition) -> Result<()> {
    let wrong = |what: String| Err(Error::Composition(what));
    let Composition { name, main, variables, secrets, services, .. } = composition;
    if services.is_empty() {
        return wrong("it has no services".to_owned());
    }
    let named = services.values().flat_map(|service| &service.after).chain(main);
    if let Some(name) = named.into_iter().find(|name| !services.contains_key(*name)) {
        return wrong(format!("there is no service {name}"));
    }
    // Files, store paths and credentials of systemd's are named after them.
    for name in services.keys().chain(secrets.keys()).chain([name]) {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        if name.is_empty() || !name.chars().all(is_legal) || name.starts_with(['.', '-']) {
            return wrong(format!("{name:?} is no name: it has letters, digits, +, -, _ and dots"));
        }
    }
    if name.len() > NAME_LEN {
        return wrong(format!("its name has more than {NAME_LEN} bytes"));
    }
    let mut placeholders = Placeholders::default();
    OWN.iter().for_each(|name| placeholders.set(name, "/"));
    let of_secrets = secrets.values().map(|variable| (variable, "/"));
    let of_variables = variables.iter().map(|(name, default)| (name, default.as_str()));
    for (name, value) in of_variables.chain(of_secrets) {
        if OWN.contains(&name.as_str()) {
            return wrong(format!("%{name}% stands for something else: choose another name"));
        }
        if name.is_empty() || !name.chars().all(Placeholders::may_be_in_name) {
            return wrong(format!("{name:?} is no variable: it has A to Z, digits and _"));
        }
        placeholders.set(name, value);
    }
    // The directory for sockets belongs to one user.
    let users: BTreeSet<_> = services.values().filter_map(|one| one.user.as_ref()).collect();
    if let [one, other, ..] = users.into_iter().collect::<Vec<_>>()[..] {
        return wrong(format!("services have two users: {one} and {other}"));
    }
    let mut files = BTreeMap::new();
    let mut ports = BTreeMap::new();
    for (name, service) in services {
        alone(name, service).or_else(wrong)?;
        for file in service.configs.keys() {
            let is_within = |other: &&&str| {
                let rest = |one: &str, other: &str| {
                    one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
                };
                **other == file || rest(file, other) || rest(other, file)
            };
            if let Some(other) = files.keys().find(is_within) {
                let other_name = files[*other];
                return wrong(format!("{other_name} and {name} have the same file: {file}"));
            }
            files.insert(file.as_str(), name);
        }
        let mut filled = service.clone();
        filled.fill(name, &placeholders)?;
        let asked = match filled.ready.map(|ready| ready.check) {
            Some(Check::Tcp(text)) => Some((address(&text), text)),
            Some(Check::Http(url, _)) => Some((http(&url).map(|(address, _)| address), url)),
            _ => None,
        };
        let Some((address, text)) = asked else { continue };
        let address =
            address.map_err(|what| Error::Composition(format!("{name}: {text:?} {what}")))?;
        let port = address.replace("localhost:", "127.0.0.1:");
        if let Some(other) = ports.insert(port.clone(), name) {
            return wrong(format!("{other} and {name} have the same port: {port}"));
        }
    }
    match composition.order() {
        Err(cycle) => wrong(format!("services wait for each other: {}", cycle.join(" after "))),
        Ok(_) => Ok(()),
    }
}

/// Checks a service without the others.
fn alone(name: &str, service: &Service) -> std::result::Result<(), String> {
    if service.argv.is_empty() {
        return Err(format!("{name} has no program"));
    }
    if service.oneshot && service.ready.is_some() {
        return Err(format!("{name}: a oneshot is ready when it has ended"));
    }
    let mut paths = service.configs.keys().chain(&service.state);
    if let Some(path) = paths.find(|path| !is_below(path)) {
        return Err(format!("{name}: {path} is no path below a directory"));
    }
    // The sockets of the supervisor are there, too.
    let is_own = |file: &&String| *file == "control" || file.ends_with(".notify");
    if let Some(file) = service.configs.keys().find(is_own) {
        return Err(format!("{name}: {file} is the name of a socket"));
    }
    let may_pass = [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
    if !service.signals.iter().all(|name| may_pass.contains(&name.0)) {
        return Err(format!("{name}: signals may be HUP, USR1 and USR2"));
    }
    Ok(())
}

/// Whether a relative path stays below its directory, and has one spelling.
fn is_below(path: &str) -> bool {
    let components = Path::new(path).components();
    let names: Vec<_> = components
        .map_while(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    !path.is_empty() && names.join("/") == path
}
