//! Programs of the host that the bundle's programs start, such as xdg-open(1): they get the caller's environment, not
//! the one that the bundle's rules made.
//!
//! A directory in front of `PATH` has a link to the bundle for each of them. The bundle notices that it is started by
//! such a link, takes the environment as it was before its rules from `PACKED_CALLER`, and executes the host's program.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::Rule;
use rustix::fs::Access;

use crate::cache::directory::HOST;
use crate::cache::published;
use crate::context::Context;
use crate::error::{Error, Shown};
use crate::settings::{CALLER, variable};
use crate::system::call;

/// The programs: they open files and addresses as the user wants, and belong to no closure.
pub const PROGRAMS: [&[u8]; 4] = [b"xdg-open", b"xdg-email", b"xdg-mime", b"xdg-settings"];

/// Bytes of `PACKED_CALLER` at most: the kernel takes no string of 128 KiB (`MAX_ARG_STRLEN`).
const RECORD_LEN: usize = 64 << 10;

/// Returns the directory with a link to the bundle for each program that its programs start and that is in `path`;
/// makes it if it is not there.
#[cold]
pub(crate) fn links(context: &Context<'_>, path: &[u8]) -> Option<Vec<u8>> {
    let wanted = context.bundle.descriptor.host_programs.iter();
    let programs: Vec<_> = wanted.filter(|program| in_path(path, program).is_some()).collect();
    if programs.is_empty() {
        return None;
    }
    let mut parts = [&*context.own_path].to_vec();
    for program in &programs {
        parts.extend([&b"\0"[..], program]);
    }
    let name = alloc::format!("{:016x}", u64::from_le_bytes(format::checksum(&parts)));
    published::find_or_make(context, HOST, &name, |directory| {
        programs.iter().try_for_each(|program| {
            rustix::fs::symlinkat(&*context.own_path, directory, &***program)
        })
    })
}

/// Finds a program in the directories of a `PATH`, except those with links to bundles.
fn in_path(path: &[u8], program: &[u8]) -> Option<CString> {
    let mut directories = path.split(|byte| *byte == b':');
    directories.find_map(|directory| {
        if directory.is_empty() || is_of_links(directory) {
            return None;
        }
        let path = CString::new([directory, b"/", program].concat()).ok()?;
        rustix::fs::access(&path, Access::EXEC_OK).is_ok().then_some(path)
    })
}

/// Whether a directory has the path of one that [`links`] makes.
fn is_of_links(directory: &[u8]) -> bool {
    let mut parts = directory.rsplit(|byte| *byte == b'/');
    let is_name = |name: &[u8]| name.len() == 16 && name.iter().all(u8::is_ascii_hexdigit);
    parts.next().is_some_and(is_name) && parts.next() == Some(HOST.to_bytes())
}

/// Returns the name of the program in whose place a link started the bundle. The link may be that of an earlier bundle
/// in the same file.
pub fn called() -> Option<&'static [u8]> {
    let path = call::executed_as().map_or(&[][..], CStr::to_bytes);
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    let (directory, program) = (&path[..at], &path[at + 1..]);
    // Who calls a program with more rights chooses its path, and PATH.
    let is_it = PROGRAMS.contains(&program) && is_of_links(directory) && !call::is_privileged();
    is_it.then_some(program)
}

/// Returns `PACKED_CALLER`: what the caller's environment has for each variable that differs in the new one, and for
/// each that has a rule: a wrapper in the bundle sets these for its own program.
///
/// `None` if that is too long. Each line is a variable as the caller has it, or the name of one that it does not have. In lines, `\n` stands for a
/// newline and `\\` for a backslash.
pub(crate) fn record<'a>(
    caller: &[&'a CStr],
    new: impl Iterator<Item = &'a CStr> + Clone,
    rules: &[Rule],
) -> Option<CString> {
    let earlier = variable(caller, CALLER).unwrap_or_default();
    let mut text = [CALLER.as_bytes(), b"=", earlier].concat();
    let is_known = |name: &[u8]| lines(earlier).any(|line| name_of(&line) == name);
    let mut add = |line: &[u8]| {
        if is_known(name_of(line)) || name_of(line) == CALLER.as_bytes() {
            return;
        }
        for byte in line {
            match byte {
                b'\n' => text.extend(b"\\n"),
                b'\\' => text.extend(b"\\\\"),
                byte => text.push(*byte),
            }
        }
        text.push(b'\n');
    };
    let is_of_rule = |name: &[u8]| rules.iter().any(|rule| *rule.name == *name);
    for string in caller {
        if new.clone().all(|other| other != *string) || is_of_rule(name_of(string.to_bytes())) {
            add(string.to_bytes());
        }
    }
    let new = new.map(|string| name_of(string.to_bytes()));
    let ruled = rules.iter().map(|rule| &*rule.name);
    let ruled = ruled.filter(|name| new.clone().all(|other| other != *name));
    for name in new.clone().chain(ruled) {
        if caller.iter().all(|other| name_of(other.to_bytes()) != name) {
            add(name);
        }
    }
    if text.len() > RECORD_LEN { None } else { CString::new(text).ok() }
}

/// Returns the lines of a record.
fn lines(record: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    record.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let mut plain = Vec::with_capacity(line.len());
        let mut bytes = line.iter();
        while let Some(byte) = bytes.next() {
            plain.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'n') => b'\n',
                    _ => b'\\',
                },
                byte => *byte,
            });
        }
        plain
    })
}

fn name_of(string: &[u8]) -> &[u8] {
    string.split(|byte| *byte == b'=').next().unwrap_or(string)
}

/// Executes a program of the host with the environment that the first caller had.
///
/// Returns only if the host has no such program, or it cannot be executed.
#[cold]
pub fn run(
    context: &Context<'_>,
    program: &[u8],
    arguments: &[&CStr],
    environment: &[&CStr],
) -> Error {
    let record = context.settings.caller.unwrap_or_default();
    let before: Vec<Vec<u8>> = lines(record).collect();
    let is_of_rule = |string: &&&CStr| {
        let name = name_of(string.to_bytes());
        name == CALLER.as_bytes() || before.iter().any(|line| name_of(line) == name)
    };
    let restored: Vec<CString> = environment
        .iter()
        .filter(|string| !is_of_rule(string))
        .map(|string| string.to_bytes())
        .chain(before.iter().map(Vec::as_slice).filter(|line| line.contains(&b'=')))
        .filter_map(|string| CString::new(string).ok())
        .collect();
    let restored: Vec<&CStr> = restored.iter().map(CString::as_c_str).collect();
    // What execvp(3) of glibc takes where there is no PATH.
    let search = variable(&restored, "PATH").unwrap_or(b"/bin:/usr/bin");
    let Some(found) = in_path(search, program) else { return Error::NotInPath(program.into()) };
    context.log.debug(format_args!("exec {} of the host", Shown::from(&*found)));
    let errno = call::exec(&found, arguments, &restored);
    Error::Exec { program: found.into(), errno }
}

#[cfg(test)]
mod tests {
    use format::Action;

    use super::*;

    #[test]
    fn records_have_what_differs() {
        let caller = [c"A=1", c"B=2\n\\n", c"C=3", c"PATH=/bin"];
        let new = [c"A=1", c"B=x", c"PATH=/links:/bin", c"NEW=n"];
        let rule =
            |name: &[u8]| Rule { action: Action::Remove, name: name.into(), value: Vec::new() };
        let rules = [rule(b"A"), rule(b"UNSET"), rule(b"NEW")];
        let first = record(&caller, new.into_iter(), &rules).unwrap();
        let value = first.to_bytes().strip_prefix(b"PACKED_CALLER=").unwrap();
        let lines = lines(value).collect::<Vec<_>>();
        assert_eq!(lines, [&b"A=1"[..], b"B=2\n\\n", b"C=3", b"PATH=/bin", b"NEW", b"UNSET"]);

        // A bundle that a bundle starts keeps what the first caller had.
        let second = [&*first, c"Z=1", c"B=x", c"PATH=/links:/bin", c"NEW=n"];
        let new = [&*first, c"Z=0", c"B=y", c"PATH=/other:/links:/bin", c"NEW=n"];
        let second = record(&second, new.into_iter(), &[]).unwrap();
        assert_eq!(second.to_bytes(), [first.to_bytes(), b"Z=1\n"].concat());
    }
}
