//! The launcher's settings, from environment variables: all arguments belong to the program.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::str::FromStr;

use format::Mode;

use crate::error::Error;

/// The variable in which a bundle leaves its caller's environment for programs of the host, see `host_programs.rs`.
pub const CALLER: &str = "PACKED_CALLER";

/// The values of the launcher's variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings<'a> {
    /// `PACKED_MODE`: the only mode to try.
    pub mode: Option<Mode>,
    /// `PACKED_CACHE`: the only directory to unpack to.
    pub cache: Option<&'a [u8]>,
    /// `PACKED_SHARED`: caches that an administrator fills, separated by colons.
    pub shared: Option<&'a [u8]>,
    /// `PACKED_GRAPHICS`: which graphics drivers to use.
    pub graphics: Option<Choice>,
    /// [`CALLER`].
    pub caller: Option<&'a [u8]>,
    /// `PACKED_ARGV0=caller`: whether the program gets argv\[0\] as the caller gave it.
    pub keep_argv0: bool,
    /// `PACKED_LOG=debug`: whether to write debug messages to stderr.
    pub log: bool,
    /// `PACKED`: the command to run in place of the program.
    pub command: Option<Command<'a>>,
}

/// A choice of graphics drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The host's.
    Host,
    /// The bundle's.
    Bundle,
    /// Nothing is looked for and nothing changed.
    Off,
}

/// A command that the launcher runs in place of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Prints what the bundle contains.
    Info,
    /// Prints the bill of materials.
    Sbom,
    /// Checks every digest, and the unpacked files.
    Verify,
    /// Writes the closure below this directory.
    Extract(&'a [u8]),
    /// Removes the bundle from the cache, with the store paths that no other bundle uses.
    Clear {
        /// Also if a process may use it that cannot be looked at.
        force: bool,
    },
    /// Installs, removes or lists desktop entries.
    Desktop(Desktop<'a>),
}

/// What is done with desktop entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desktop<'a> {
    /// Lists the bundles whose entries are installed.
    List,
    /// Installs those of this bundle.
    Install,
    /// Removes those of this bundle, or of the one that is or was at this path.
    Remove(Option<&'a [u8]>),
}

/// Returns a variable's value; `None` if it is not set or empty.
pub fn variable<'a>(environment: &[&'a CStr], name: &str) -> Option<&'a [u8]> {
    environment
        .iter()
        .find_map(|string| string.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .filter(|value| !value.is_empty())
}

impl<'a> Settings<'a> {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// If a variable has an unknown value.
    pub fn read(environment: &[&'a CStr]) -> Result<Settings<'a>, Error> {
        let parse_mode = |name: &[u8]| {
            let text = core::str::from_utf8(name).unwrap_or_default();
            Mode::from_str(text).map_err(|_| Error::UnknownMode(name.into()))
        };
        // Most callers set none of them, so the lookups below then search an empty list.
        let is_ours = |string: &&CStr| string.to_bytes().starts_with(b"PACKED");
        let environment: &[&CStr] =
            &environment.iter().copied().filter(is_ours).collect::<Vec<_>>();
        Ok(Settings {
            mode: variable(environment, "PACKED_MODE").map(parse_mode).transpose()?,
            cache: variable(environment, "PACKED_CACHE"),
            shared: variable(environment, "PACKED_SHARED"),
            graphics: match variable(environment, "PACKED_GRAPHICS") {
                None => None,
                Some(b"host") => Some(Choice::Host),
                Some(b"bundle") => Some(Choice::Bundle),
                Some(b"off") => Some(Choice::Off),
                Some(other) => return Err(Error::UnknownGraphics(other.into())),
            },
            caller: variable(environment, CALLER),
            keep_argv0: match variable(environment, "PACKED_ARGV0") {
                None => false,
                Some(b"caller") => true,
                Some(other) => return Err(Error::UnknownArgv0(other.into())),
            },
            log: variable(environment, "PACKED_LOG") == Some(b"debug"),
            command: variable(environment, "PACKED").map(Command::parse).transpose()?,
        })
    }
}

impl<'a> Command<'a> {
    fn parse(text: &'a [u8]) -> Result<Command<'a>, Error> {
        match text {
            b"info" => Ok(Command::Info),
            b"sbom" => Ok(Command::Sbom),
            b"verify" => Ok(Command::Verify),
            b"clear" => Ok(Command::Clear { force: false }),
            b"clear=force" => Ok(Command::Clear { force: true }),
            b"desktop" | b"desktop=list" => Ok(Command::Desktop(Desktop::List)),
            b"desktop=install" => Ok(Command::Desktop(Desktop::Install)),
            b"desktop=remove" => Ok(Command::Desktop(Desktop::Remove(None))),
            _ => {
                let rest = |start: &[u8]| text.strip_prefix(start).filter(|rest| !rest.is_empty());
                if let Some(directory) = rest(b"extract=") {
                    return Ok(Command::Extract(directory));
                }
                match rest(b"desktop=remove=") {
                    Some(path) => Ok(Command::Desktop(Desktop::Remove(Some(path)))),
                    None => Err(Error::UnknownCommand(text.into())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read() {
        let environment = [
            c"PACKED_MODEX=ram",
            c"PACKED_MODE=ram",
            c"PACKED_LOG=debug",
            c"PACKED_ARGV0=caller",
            c"PACKED_GRAPHICS=bundle",
            c"PACKED_SHARED=/sw/packed:/opt/packed",
            c"PACKED=extract=/a=b",
        ];
        let settings = Settings::read(&environment).unwrap();
        assert_eq!(
            settings,
            Settings {
                mode: Some(Mode::Ram),
                cache: None,
                shared: Some(b"/sw/packed:/opt/packed"),
                graphics: Some(Choice::Bundle),
                caller: None,
                keep_argv0: true,
                log: true,
                command: Some(Command::Extract(b"/a=b")),
            }
        );
    }

    #[test]
    fn unknown_values_are_refused_and_empty_ones_are_not_set() {
        for bad in [
            c"PACKED_MODE=fast",
            c"PACKED_MODE=\xff",
            c"PACKED=help",
            c"PACKED_ARGV0=x",
            c"PACKED_GRAPHICS=nvidia",
            c"PACKED=extract=",
            c"PACKED=desktop=x",
            c"PACKED=desktop=remove=",
        ] {
            assert!(Settings::read(&[bad]).is_err(), "{bad:?}");
        }
        assert_eq!(Settings::read(&[c"PACKED=", c"PACKED_MODE="]).unwrap(), Settings::default());
    }
}
