//! The program: which one, with which environment, and its execution.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::{Action, Descriptor, Entry, Piece, Rule};
use rustix::fs::Access;
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, Shown};
use crate::mode::visible::Visible;
use crate::system::call;

/// Chooses the entry by the last component of argv\[0\], as busybox does; else the first.
pub fn choose<'a>(descriptor: &'a Descriptor, argv0: Option<&CStr>) -> &'a Entry {
    let name = argv0.map(CStr::to_bytes).and_then(|argv0| argv0.rsplit(|c| *c == b'/').next());
    // login(1) puts a dash in front.
    let name = name.map(|name| name.strip_prefix(b"-").unwrap_or(name));
    let named = descriptor.entries.iter().find(|entry| Some(entry.name(&descriptor.paths)) == name);
    // The descriptor's decoder refuses an empty list.
    named.unwrap_or(&descriptor.entries[0])
}

/// Executes the entry with the caller's whole environment; returns only if that fails.
pub fn exec(
    context: &Context<'_>,
    entry: &Entry,
    visible: &Visible,
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
    let errno = if descriptor.environment.is_empty() {
        call::exec(&program, arguments, environment)
    } else {
        let environment = apply(descriptor, visible, environment);
        let environment: Vec<&CStr> = environment.iter().map(Changed::as_c_str).collect();
        call::exec(&program, arguments, &environment)
    };
    Error::Exec { program: program.into(), errno }
}

/// A string of the new environment.
enum Changed<'a> {
    Kept(&'a CStr),
    New(CString),
}

impl Changed<'_> {
    fn as_c_str(&self) -> &CStr {
        match self {
            Changed::Kept(string) => string,
            Changed::New(string) => string,
        }
    }
}

/// Applies the bundle's rules; everything else stays, in its order.
fn apply<'a>(
    descriptor: &Descriptor,
    visible: &Visible,
    environment: &[&'a CStr],
) -> Vec<Changed<'a>> {
    let mut changed: Vec<Changed<'a>> = environment.iter().copied().map(Changed::Kept).collect();
    for rule in &descriptor.environment {
        let sets_name = |string: &Changed<'_>| {
            string
                .as_c_str()
                .to_bytes()
                .strip_prefix(&*rule.name)
                .is_some_and(|s| s.starts_with(b"="))
        };
        let first = changed.iter().position(sets_name);
        let new = match rule.action {
            Action::Set => Some(value(descriptor, visible, rule)),
            Action::Remove => None,
            Action::SetUnlessSet | Action::SetIfExists if first.is_some() => continue,
            Action::SetUnlessSet => Some(value(descriptor, visible, rule)),
            Action::SetIfExists => {
                let new = value(descriptor, visible, rule);
                let path = &new.to_bytes()[rule.name.len() + 1..];
                if rustix::fs::access(path, Access::EXISTS).is_err() {
                    continue;
                }
                Some(new)
            }
        };
        // A caller can give a variable twice, and some programs take the last.
        changed.retain(|string| !sets_name(string));
        if let Some(new) = new {
            changed.insert(first.unwrap_or(changed.len()), Changed::New(new));
        }
    }
    changed
}

/// The variable's name and its new value: `K=V`.
fn value(descriptor: &Descriptor, visible: &Visible, rule: &Rule) -> CString {
    let mut string = rule.name.clone();
    string.push(b'=');
    for piece in &rule.value {
        match piece {
            Piece::Bytes(bytes) => string.extend_from_slice(bytes),
            Piece::Path(path) => {
                string.extend(visible.directory(&descriptor.paths[usize::from(*path)]));
            }
        }
    }
    CString::new(string).expect("the decoder refuses NUL in names and values")
}
