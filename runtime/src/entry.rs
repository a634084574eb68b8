//! Chooses the program, changes its environment, and executes it.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::{Action, Argv0, Descriptor, Entry, Piece, Rule};
use rustix::fs::{Access, FileType, Stat};
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, Shown};
use crate::graphics::{self, Drivers, LIBRARY_PATH, OPENGL_DRIVER};
use crate::host_programs;
use crate::mode::visible::Visible;
use crate::settings::CALLER;
use crate::system::call;

/// Chooses the entry whose name is the last component of argv\[0\], as busybox does. Without such
/// an entry it is the first one.
pub fn choose<'a>(descriptor: &'a Descriptor, argv0: Option<&CStr>) -> &'a Entry {
    let name = argv0.map(|argv0| last_component(argv0.to_bytes()));
    // login(1) puts a dash before the name of a login shell.
    let name = name.map(|name| name.strip_prefix(b"-").unwrap_or(name));
    let named = descriptor.entries.iter().find(|entry| Some(entry.name(&descriptor.paths)) == name);
    // Decoding the descriptor refuses an empty list of entries.
    named.unwrap_or(&descriptor.entries[0])
}

/// Executes the entry with the caller's arguments and environment, changed by the bundle's rules.
///
/// Returns only if that fails.
pub fn exec(
    context: &Context<'_>,
    entry: &Entry,
    visible: &Visible,
    drivers: Option<&Drivers>,
    arguments: &[&CStr],
    environment: &[&CStr],
) -> Error {
    let descriptor = &context.bundle.descriptor;
    let mut program = visible.directory(&descriptor.paths[usize::from(entry.path)]);
    program.extend_from_slice(&entry.program);
    let program = match CString::new(program) {
        Ok(program) => program,
        Err(error) => {
            return Error::Exec { program: (&*error.into_vec()).into(), errno: Errno::INVAL };
        }
    };
    context.log.debug(format_args!("exec {}", Shown::from(&*program)));
    let new = arguments.first().and_then(|caller| argv0(context, entry, &program, caller));
    let arguments: Vec<&CStr> = new
        .as_deref()
        .into_iter()
        .chain(arguments.iter().copied().skip(new.iter().len()))
        .collect();
    let is_same = descriptor.environment.is_empty() && drivers.is_none();
    let errno = if is_same {
        call::exec(&program, &arguments, environment)
    } else {
        let mut environment = apply(context, visible, environment);
        if let Some(drivers) = drivers {
            add_drivers(context, visible, drivers, &mut environment);
        }
        if !descriptor.host_programs.is_empty() && !context.environment.is_empty() {
            add_links(context, &mut environment);
        }
        let environment: Vec<&CStr> = environment.iter().map(Variable::as_c_str).collect();
        call::exec(&program, &arguments, &environment)
    };
    Error::Exec { program: program.into(), errno }
}

/// Returns the program's argv\[0\]; `None` if it is the caller's.
fn argv0(
    context: &Context<'_>,
    entry: &Entry,
    program: &CString,
    caller: &CStr,
) -> Option<CString> {
    let descriptor = &context.bundle.descriptor;
    match &descriptor.argv0 {
        _ if context.settings.keep_argv0 => None,
        Argv0::Caller => None,
        Argv0::Entry => Some(program.clone()),
        Argv0::Name(name) => CString::new(&**name).ok(),
        // A login shell.
        Argv0::Beside if caller.to_bytes().starts_with(b"-") => None,
        Argv0::Beside => {
            let name = last_component(caller.to_bytes());
            let is_entry = name == entry.name(&descriptor.paths);
            let other = if is_entry { None } else { beside(entry, program, name) };
            Some(other.unwrap_or_else(|| program.clone()))
        }
    }
}

/// Returns the path of another program in the entry's directory, if there is one with this name.
#[cold]
fn beside(entry: &Entry, program: &CStr, name: &[u8]) -> Option<CString> {
    // Beside a store path that is a program, other store paths are.
    let end = entry.program.iter().rposition(|byte| *byte == b'/')?;
    let directory = program.to_bytes().len() - entry.program.len() + end + 1;
    let path = CString::new([&program.to_bytes()[..directory], name].concat()).ok()?;
    let status = rustix::fs::stat(&path).ok()?;
    let is_program = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
        && status.st_mode & 0o111 != 0;
    is_program.then_some(path)
}

fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A variable of the program's environment, as `K=V`.
enum Variable<'a> {
    Kept(&'a CStr),
    New(CString),
}

impl Variable<'_> {
    fn sets(&self, name: &[u8]) -> bool {
        self.as_c_str().to_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
    }

    fn as_c_str(&self) -> &CStr {
        match self {
            Variable::Kept(string) => string,
            Variable::New(string) => string,
        }
    }
}

/// Applies the bundle's rules. All other variables keep their values and their order.
fn apply<'a>(
    context: &Context<'_>,
    visible: &Visible,
    environment: &[&'a CStr],
) -> Vec<Variable<'a>> {
    let mut changed: Vec<Variable<'a>> = environment.iter().copied().map(Variable::Kept).collect();
    for rule in &context.bundle.descriptor.environment {
        let sets_name = |string: &Variable<'_>| string.sets(&rule.name);
        let first = changed.iter().position(sets_name);
        let new = match rule.action {
            Action::Remove | Action::KeepFiles if first.is_none() => continue,
            Action::Remove | Action::KeepFiles => {
                let texts = changed.iter().filter(|text| sets_name(text)).map(Variable::as_c_str);
                removed(context, rule, texts)
            }
            Action::SetUnlessSet | Action::SetIfExists | Action::SetIfMissing
                if first.is_some() =>
            {
                continue;
            }
            Action::Set | Action::SetUnlessSet => Some(value(context, visible, rule, &rule.value)),
            Action::SetIfExists | Action::ReplaceIfExists => {
                let new = value(context, visible, rule, &rule.value);
                let path = &new.to_bytes()[rule.name.len() + 1..];
                if !exists(path) {
                    continue;
                }
                Some(new)
            }
            Action::SetIfMissing => {
                let (path, rest) = rule.value.split_at(1.min(rule.value.len()));
                if exists(&pieces(context, visible, path)) {
                    continue;
                }
                Some(value(context, visible, rule, rest))
            }
        };
        // The caller can pass a variable twice, and some programs read the last one: replace all.
        changed.retain(|string| !sets_name(string));
        if let Some(new) = new {
            changed.insert(first.unwrap_or(changed.len()), Variable::New(new));
        }
    }
    changed
}

/// Returns what stays of a variable that is removed: the files that the rule keeps.
#[cold]
fn removed<'a>(
    context: &Context<'_>,
    rule: &Rule,
    texts: impl Iterator<Item = &'a CStr>,
) -> Option<CString> {
    let name = Shown::from(&*rule.name);
    let log = |value: &[u8]| {
        context.log.debug(format_args!("removed from {name}: {}", Shown::from(value)));
    };
    let mut kept = Vec::new();
    for text in texts {
        let value = &text.to_bytes()[rule.name.len() + 1..];
        if rule.action == Action::Remove {
            log(value);
            continue;
        }
        for file in value.split(|byte| b" :".contains(byte)).filter(|file| !file.is_empty()) {
            let [Piece::Bytes(begin)] = &*rule.value else { continue };
            if last_component(file).starts_with(begin) {
                kept.push(if kept.is_empty() { b'=' } else { b':' });
                kept.extend_from_slice(file);
            } else {
                log(file);
            }
        }
    }
    if kept.is_empty() { None } else { CString::new([&*rule.name, &kept].concat()).ok() }
}

/// Puts the links to programs of the host in front of `PATH`, and leaves the caller's environment for them.
#[cold]
fn add_links(context: &Context<'_>, environment: &mut Vec<Variable<'_>>) {
    let path = environment.iter().position(|string| string.sets(b"PATH"));
    let Some(at) = path else { return };
    let rest = &environment[at].as_c_str().to_bytes()["PATH=".len()..];
    let Some(links) = host_programs::links(context, rest) else { return };
    let Ok(path) = CString::new([b"PATH=", &*links, b":", rest].concat()) else { return };
    let others = environment.iter().enumerate().filter(|(number, _)| *number != at);
    let new = others.map(|(_, string)| string.as_c_str()).chain([&*path]);
    if let Some(record) =
        host_programs::record(context.environment, new, &context.bundle.descriptor.environment)
    {
        environment[at] = Variable::New(path);
        environment.retain(|string| !string.sets(CALLER.as_bytes()));
        environment.push(Variable::New(record));
    }
}

/// Adds the variables by which programs find drivers, if they do not find all by themselves. What is set stays.
#[cold]
fn add_drivers(
    context: &Context<'_>,
    visible: &Visible,
    drivers: &Drivers,
    environment: &mut Vec<Variable<'_>>,
) {
    let paths = &context.bundle.descriptor.paths;
    let bundled = drivers.bundled.map(|path| visible.directory(&paths[usize::from(path)]));
    let is_shown = matches!(visible, Visible::Mounted { has_drivers: true });
    let host = match drivers.are_of_host() {
        true if is_shown => Some(OPENGL_DRIVER.into()),
        true => drivers.links.clone(),
        false => None,
    };
    let libraries = |directory: &Vec<u8>| [directory, &b"/lib"[..]].concat();
    let is_set = |name: &str| environment.iter().any(|string| string.sets(name.as_bytes()));
    let variables = match (host, bundled) {
        (None, _) if is_shown => return,
        (Some(host), None) if is_shown => [(LIBRARY_PATH, libraries(&host))].into(),
        (host, bundled) => {
            let of_bundle = bundled.as_ref().map(|bundled| match visible {
                Visible::InCache(base) => graphics::libraries_of_bundle(context, base, bundled)
                    .unwrap_or_else(|| libraries(bundled)),
                _ => libraries(bundled),
            });
            let all: Vec<_> = host.as_ref().map(libraries).into_iter().chain(of_bundle).collect();
            let directories: Vec<Vec<u8>> = host.into_iter().chain(bundled).collect();
            drivers.variables(&directories, all.join(&b':'), is_set)
        }
    };
    let unset: Vec<_> = variables.into_iter().filter(|(name, _)| !is_set(name)).collect();
    for (name, value) in unset {
        context.log.debug(format_args!("graphics: {name}={}", Shown::from(&*value)));
        let variable = CString::new([name.as_bytes(), b"=", &value].concat());
        environment.extend(variable.ok().map(Variable::New));
    }
}

fn exists(path: &[u8]) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}

/// Returns a rule's variable with a new value, as `K=V`.
fn value(context: &Context<'_>, visible: &Visible, rule: &Rule, value: &[Piece]) -> CString {
    let string = [&rule.name, &b"="[..], &pieces(context, visible, value)].concat();
    CString::new(string).expect("the decoder refuses NUL in names and values")
}

/// Joins the pieces of a value.
fn pieces(context: &Context<'_>, visible: &Visible, value: &[Piece]) -> Vec<u8> {
    let paths = &context.bundle.descriptor.paths;
    let mut string = Vec::new();
    for piece in value {
        match piece {
            Piece::Bytes(bytes) => string.extend_from_slice(bytes),
            Piece::Path(path) => {
                string.extend(visible.directory(&paths[usize::from(*path)]));
            }
            Piece::Bundle => string.extend_from_slice(&context.own_path),
        }
    }
    string
}

/// Returns the absolute path of the bundle's file if a rule or a link needs it.
pub fn own_path(descriptor: &Descriptor) -> Vec<u8> {
    let mut pieces = descriptor.environment.iter().flat_map(|rule| &rule.value);
    let is_needed =
        pieces.any(|piece| *piece == Piece::Bundle) || !descriptor.host_programs.is_empty();
    if is_needed { find_own_path(descriptor) } else { Vec::new() }
}

/// Returns the absolute path of the bundle's file.
#[cold]
pub(crate) fn find_own_path(descriptor: &Descriptor) -> Vec<u8> {
    const OWN: &CStr = c"/proc/self/exe";
    // Otherwise it is an emulator that executes the bundle.
    let is_own = |stat: Stat| u64::try_from(stat.st_size) == Ok(descriptor.file_len);
    if rustix::fs::stat(OWN).is_ok_and(is_own)
        && let Ok(path) = rustix::fs::readlink(OWN, Vec::new())
    {
        return path.into_bytes();
    }
    // Without /proc too, it is the path that was given to execve(2).
    let path = call::executed_as().map_or(&[][..], CStr::to_bytes);
    if path.starts_with(b"/") {
        return path.into();
    }
    let mut absolute =
        rustix::process::getcwd(Vec::new()).map_or_else(|_| Vec::new(), CString::into_bytes);
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    absolute
}
