//! Programs of the host that the bundle's programs start, such as xdg-open(1): they get the caller's environment, not
//! the one that the bundle's rules made.
//!
//! A directory in front of `PATH` has a link to the bundle for each of them. The bundle notices that it is started by
//! such a link, takes the environment as it was before its rules from `PACKED_CALLER`, and executes the host's program.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use format::Rule;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::cache::directory::HOST;
use crate::cache::place::{self, Absent};
use crate::cache::published;
use crate::context::Context;
use crate::error::{Error, Shown};
use crate::settings::{CALLER, variable};
use crate::system::call;

/// Returns the directory with a link to the bundle for each program of the host that its programs start; makes it if it
/// is not there.
#[cold]
pub(crate) fn links(context: &Context<'_>) -> Option<Vec<u8>> {
    let (name, programs) = (directory(context), &context.bundle.descriptor.host_programs);
    for place in place::places(&context.settings, context.environment) {
        let Ok(cache) = place.open(Absent::Create) else { continue };
        let path = [&cache.path, &b"/"[..], HOST.to_bytes(), b"/", name.as_bytes()].concat();
        if published::is_there(&path) {
            return Some(path);
        }
        let made = published::publish(&cache, HOST, &name, |directory| {
            programs.iter().try_for_each(|program| {
                rustix::fs::symlinkat(&*context.own_path, directory, &**program)
            })
        });
        match made {
            Ok(()) => return Some(path),
            Err(error) => {
                context.log.debug(format_args!(
                    "no links in {}: {}",
                    Shown::from(&place),
                    error.what()
                ));
            }
        }
    }
    None
}

/// Returns the name of the directory of links: another one for each place and each list of programs.
fn directory(context: &Context<'_>) -> String {
    let mut parts = [&*context.own_path].to_vec();
    for program in &context.bundle.descriptor.host_programs {
        parts.extend([&b"\0"[..], program]);
    }
    alloc::format!("{:016x}", u64::from_le_bytes(format::checksum(&parts)))
}

/// Returns `PACKED_CALLER`: what the caller's environment has for each variable that differs in the new one, and for
/// each that has a rule: a wrapper in the bundle sets these for its own program.
///
/// Each line is a variable as the caller has it, or the name of one that it does not have. In lines, `\n` stands for a
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
    CString::new(text).ok()
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

/// Executes a program of the host if the bundle was started by a link to it; returns otherwise.
///
/// # Errors
///
/// If the host has no such program, or it cannot be executed.
#[cold]
pub fn run(context: &Context<'_>, arguments: &[&CStr], environment: &[&CStr]) -> Result<(), Error> {
    let Some(record) = context.settings.caller else { return Ok(()) };
    let path = call::executed_as().map_or(&[][..], CStr::to_bytes);
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (program, name, above) = (parts.next(), parts.next(), parts.next());
    let (Some(program), Some(name), Some(above)) = (program, name, above) else { return Ok(()) };
    let known = &context.bundle.descriptor.host_programs;
    if above != HOST.to_bytes()
        || known.iter().all(|other| other != program)
        || name != directory(context).as_bytes()
    {
        return Ok(());
    }
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
    let found = search
        .split(|byte| *byte == b':')
        .filter(|directory| !directory.is_empty())
        .find_map(|directory| {
            let path = CString::new([directory, b"/", program].concat()).ok()?;
            rustix::fs::access(&path, Access::EXEC_OK).is_ok().then_some(path)
        });
    let Some(found) = found else {
        return Err(Error::Exec { program: program.into(), errno: Errno::NOENT });
    };
    context.log.debug(format_args!("exec {} of the host", Shown::from(&*found)));
    let errno = call::exec(&found, arguments, &restored);
    Err(Error::Exec { program: found.into(), errno })
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
