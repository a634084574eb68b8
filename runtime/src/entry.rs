//! Chooses the program, changes its environment, and executes it.

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

/// Chooses the entry whose name is the last component of argv\[0\], as busybox does. Without such
/// an entry it is the first one.
pub fn choose<'a>(descriptor: &'a Descriptor, argv0: Option<&CStr>) -> &'a Entry {
    let name = argv0.map(CStr::to_bytes).and_then(|argv0| argv0.rsplit(|c| *c == b'/').next());
    // login(1) puts a dash before the name of a login shell.
    let name = name.map(|name| name.strip_prefix(b"-").unwrap_or(name));
    let named = descriptor.entries.iter().find(|entry| Some(entry.name(&descriptor.paths)) == name);
    // Decoding the descriptor refuses an empty list of entries.
    named.unwrap_or(&descriptor.entries[0])
}

/// Executes the entry with the caller's environment, changed by the bundle's rules.
///
/// Returns only if that fails.
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
        let environment: Vec<&CStr> = environment.iter().map(Variable::as_c_str).collect();
        call::exec(&program, arguments, &environment)
    };
    Error::Exec { program: program.into(), errno }
}

/// A variable of the program's environment, as `K=V`.
enum Variable<'a> {
    Kept(&'a CStr),
    New(CString),
}

impl Variable<'_> {
    fn as_c_str(&self) -> &CStr {
        match self {
            Variable::Kept(string) => string,
            Variable::New(string) => string,
        }
    }
}

/// Applies the bundle's rules. All other variables keep their values and their order.
fn apply<'a>(
    descriptor: &Descriptor,
    visible: &Visible,
    environment: &[&'a CStr],
) -> Vec<Variable<'a>> {
    let mut changed: Vec<Variable<'a>> = environment.iter().copied().map(Variable::Kept).collect();
    for rule in &descriptor.environment {
        let sets_name = |string: &Variable<'_>| {
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
        // The caller can pass a variable twice, and some programs read the last one: replace all.
        changed.retain(|string| !sets_name(string));
        if let Some(new) = new {
            changed.insert(first.unwrap_or(changed.len()), Variable::New(new));
        }
    }
    changed
}

/// Returns the variable with its new value, as `K=V`.
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
