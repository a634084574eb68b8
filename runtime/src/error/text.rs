//! The texts of all messages.

use alloc::vec::Vec;
use core::fmt;

use format::Mode;
use rustix::io::Errno;

use super::{Error, Impossible, Megabytes, Unusable, WRITE_TO};
use crate::namespace::identity;
use crate::sys;

/// The first line of a message.
pub(super) struct What<'a>(pub(super) &'a Error);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Damaged(error @ (format::Error::Unpacked | format::Error::Version { .. })) => {
                write!(f, "{error}")
            }
            Error::Damaged(error) => write!(f, "this bundle is damaged: {error}"),
            Error::FileLength { expected, found } if found < expected => {
                write!(f, "payload missing: the file has {found} bytes of {expected}")
            }
            Error::FileLength { expected, found } => {
                write!(f, "the file has {found} bytes, {expected} were packed")
            }
            Error::OwnFile(errno) => {
                write!(f, "cannot read this bundle's own file: {}", sys::message(*errno))
            }
            Error::File { operation, object, errno } => {
                write!(f, "cannot {operation} {object}: {}", sys::message(*errno))
            }
            Error::NoSpace { needed, place, errno } => {
                let text = sys::message(*errno);
                write!(f, "cannot unpack {} to {place}: {text}", Megabytes(*needed))
            }
            Error::UnknownMode(name) => write!(f, "PACKED_MODE={name} is no mode"),
            Error::ModeNotAllowed { mode, .. } => {
                write!(f, "this bundle does not allow the mode {mode}")
            }
            Error::NoMode(tried) => {
                f.write_str("the closure cannot be made visible: ")?;
                list(f, tried, |f, (mode, reason)| write!(f, "{mode}: {reason}"))
            }
            Error::UnknownCommand(name) => write!(f, "PACKED={name} is no command"),
            Error::Exec { program, errno } => {
                write!(f, "cannot execute {program}: {}", sys::message(*errno))
            }
            Error::Memory => f.write_str("out of memory"),
        }
    }
}

/// The hint where descriptors ran out.
const MORE_FILES: &str = "raise the limit of open files: ulimit -n 64";

/// The second line of a message.
pub(super) struct Hint<'a>(pub(super) &'a Error);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Damaged(format::Error::Unpacked) => {
                f.write_str("this is the bare stub; `packer build` makes a bundle of it")
            }
            Error::Damaged(format::Error::Version { .. }) => {
                f.write_str("use the `packer` that made it, or a newer one")
            }
            Error::Damaged(_) => f.write_str("get the file again and compare its size and digest"),
            Error::FileLength { expected, found } if found < expected => f.write_str(
                "was this file stripped, or its download cut short? get it again, unchanged",
            ),
            Error::FileLength { .. } => f.write_str("get the file again, unchanged"),
            Error::OwnFile(Errno::MFILE) | Error::File { errno: Errno::MFILE, .. } => {
                f.write_str(MORE_FILES)
            }
            Error::OwnFile(Errno::ACCESS) => {
                f.write_str("it must be readable, not just executable: chmod +r")
            }
            Error::OwnFile(_) => f.write_str("run it by a path that stays while it starts"),
            Error::File { errno: Errno::FBIG, .. } => {
                f.write_str("raise the limit of a file's size: ulimit -f unlimited")
            }
            Error::File { errno: Errno::EXIST, .. } => {
                f.write_str("remove it first, or choose another directory")
            }
            Error::File { errno: Errno::PROTONOSUPPORT, .. } => {
                f.write_str("it has another layout: set PACKED_CACHE to another directory")
            }
            Error::File { operation: WRITE_TO, .. } => f.write_str("check where its output goes"),
            Error::File { .. } => f.write_str(
                "use a directory that you may write to; for the cache, set PACKED_CACHE to it",
            ),
            Error::NoSpace { .. } => {
                f.write_str("make room there, or set PACKED_CACHE to a directory on another disk")
            }
            Error::UnknownMode(_) => write!(f, "{}", format::UnknownMode),
            Error::ModeNotAllowed { allowed, .. } => {
                f.write_str("unset PACKED_MODE, or use one of ")?;
                let allowed: Vec<Mode> = allowed.iter().collect();
                list(f, &allowed, |f, mode| write!(f, "{mode}"))
            }
            Error::NoMode(tried) => no_mode_hint(f, tried),
            Error::UnknownCommand(_) => {
                f.write_str("the commands are info, verify, extract=DIR and clear; unset PACKED to run the program")
            }
            Error::Exec { errno: Errno::NOENT, .. } => {
                f.write_str("the program or its interpreter is missing; was it excluded, or deleted from the cache? PACKED=clear unpacks again")
            }
            Error::Exec { errno: Errno::ACCESS, .. } => f.write_str(
                "is its directory on a file system mounted noexec? set PACKED_CACHE to another place",
            ),
            Error::Exec { .. } => f.write_str("was it packed for this machine's processor? see PACKED=info"),
            Error::Memory => f.write_str("raise the limit of memory: ulimit -v unlimited"),
        }
    }
}

/// The hint fits the last mode's reason: it is the one that could do without all the others' needs.
fn no_mode_hint(f: &mut fmt::Formatter<'_>, tried: &[(Mode, Impossible)]) -> fmt::Result {
    match tried.last() {
        Some((_, Impossible::NoPlace(places)))
            if places.iter().any(|(_, reason)| matches!(reason, Unusable::Unfit(_))) =>
        {
            f.write_str(
                "set PACKED_CACHE to a short path of letters and digits, such as /var/tmp/NAME",
            )
        }
        Some((_, Impossible::NoPlace(_))) => f.write_str(
            "set PACKED_CACHE to a directory of yours from which programs may be executed",
        ),
        Some((_, Impossible::NotOnHost(_) | Impossible::ForeignStore(_))) => {
            f.write_str("unset PACKED_MODE: the other modes bring the store paths along")
        }
        Some((_, Impossible::Unsupported)) | None => f.write_str("unset PACKED_MODE"),
        Some((_, Impossible::Namespace { errno: Errno::NOSPC, .. })) => f.write_str(
            "user namespaces are switched off: sysctl -w user.max_user_namespaces=10000",
        ),
        Some((_, Impossible::Namespace { errno: Errno::MFILE, .. })) => f.write_str(MORE_FILES),
        Some((_, Impossible::Namespace { call: identity::SETGROUPS, errno: Errno::NOENT })) => {
            f.write_str("mount /proc: without it, no user namespace can be set up")
        }
        // Only a process at the root of its mount namespace can be given another.
        Some((_, Impossible::Mount { errno: Errno::INVAL, .. })) => {
            f.write_str("run it outside of the chroot, or with PACKED_MODE=relocate")
        }
        Some((_, Impossible::Namespace { .. } | Impossible::Mount { .. })) => f.write_str(
            "allow user namespaces for this program, or run it outside of the container or as root",
        ),
        Some((_, Impossible::Failed(error))) => fmt::Display::fmt(&Hint(error), f),
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::NotOnHost(path) => write!(f, "the host has no {path}"),
            Impossible::ForeignStore(path) => {
                write!(f, "{path} belongs to another user, or others may write to it")
            }
            Impossible::Namespace { call, errno } => write!(f, "{call}: {}", sys::message(*errno)),
            Impossible::Mount { object, errno } => {
                write!(f, "mount {object}: {}", sys::message(*errno))
            }
            Impossible::NoPlace(tried) => {
                f.write_str("no directory can hold the cache: ")?;
                list(f, tried, |f, (place, reason)| write!(f, "{place} ({reason})"))
            }
            Impossible::Unsupported => f.write_str("not supported by this version"),
            Impossible::Failed(error) => fmt::Display::fmt(&What(error), f),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Failed(call, errno) => write!(f, "{call}: {}", sys::message(*errno)),
            Unusable::ForeignOwner(uid) => write!(f, "belongs to user {uid}"),
            Unusable::WritableByOthers => f.write_str("others may write to it"),
            Unusable::NoExec => f.write_str("mounted noexec"),
            Unusable::Relative => f.write_str("not an absolute path"),
            Unusable::Unfit(error) => write!(f, "{error}"),
        }
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            f.write_str(", ")?;
        }
        show(f, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::string::ToString as _;
    use alloc::vec;

    use super::*;
    use crate::error::Shown;

    fn reason(mode: Mode, reason: Impossible) -> Error {
        Error::NoMode(vec![(mode, reason)])
    }

    #[test]
    fn texts_are_two_lines_word_for_word() {
        let place = || Shown::from("/home/alice/.cache/packed");
        let cases = [
            (
                Error::Damaged(format::Error::Digest(format::Part::Frame(3))),
                "this bundle is damaged: frame 3: digest does not match\n\
                 hint: get the file again and compare its size and digest",
            ),
            (
                Error::Damaged(format::Error::Version { found: 2 }),
                "bundle format version 2 is not known (this program reads version 1)\n\
                 hint: use the `packer` that made it, or a newer one",
            ),
            (
                Error::FileLength { expected: 1000, found: 300 },
                "payload missing: the file has 300 bytes of 1000\n\
                 hint: was this file stripped, or its download cut short? get it again, unchanged",
            ),
            (
                Error::OwnFile(Errno::ACCESS),
                "cannot read this bundle's own file: Permission denied\n\
                 hint: it must be readable, not just executable: chmod +r",
            ),
            (
                Error::NoSpace { needed: 106_000_000, place: place(), errno: Errno::NOSPC },
                "cannot unpack 106.0 MB to /home/alice/.cache/packed: No space left on device\n\
                 hint: make room there, or set PACKED_CACHE to a directory on another disk",
            ),
            (
                Error::UnknownMode("fast\n".into()),
                "PACKED_MODE=fast\\n is no mode\n\
                 hint: the modes are host, relocate, namespace, ram",
            ),
            (
                Error::ModeNotAllowed {
                    mode: Mode::Relocate,
                    allowed: [Mode::Host, Mode::Ram].into_iter().collect(),
                },
                "this bundle does not allow the mode relocate\n\
                 hint: unset PACKED_MODE, or use one of host, ram",
            ),
            (
                Error::UnknownCommand("help".into()),
                "PACKED=help is no command\n\
                 hint: the commands are info, verify, extract=DIR and clear; unset PACKED to run the program",
            ),
            (
                Error::Exec { program: "/nix/store/x/bin/y".into(), errno: Errno::NOENT },
                "cannot execute /nix/store/x/bin/y: No such file or directory\n\
                 hint: the program or its interpreter is missing; was it excluded, or deleted from the cache? PACKED=clear unpacks again",
            ),
            (
                reason(
                    Mode::Namespace,
                    Impossible::Namespace { call: "unshare", errno: Errno::NOSPC },
                ),
                "the closure cannot be made visible: namespace: unshare: No space left on device\n\
                 hint: user namespaces are switched off: sysctl -w user.max_user_namespaces=10000",
            ),
            (
                reason(Mode::Relocate, Impossible::NoPlace(vec![(place(), Unusable::NoExec)])),
                "the closure cannot be made visible: relocate: no directory can hold the cache: \
                 /home/alice/.cache/packed (mounted noexec)\n\
                 hint: set PACKED_CACHE to a directory of yours from which programs may be executed",
            ),
            (
                reason(
                    Mode::Relocate,
                    Impossible::NoPlace(vec![(
                        "/home/al ice/.cache/packed".into(),
                        Unusable::Unfit(format::UnfitBase::Byte(b' ')),
                    )]),
                ),
                "the closure cannot be made visible: relocate: no directory can hold the cache: \
                 /home/al ice/.cache/packed (its path holds ' ')\n\
                 hint: set PACKED_CACHE to a short path of letters and digits, such as /var/tmp/NAME",
            ),
            (
                reason(Mode::Host, Impossible::ForeignStore("/nix/store".into())),
                "the closure cannot be made visible: host: /nix/store belongs to another user, or \
                 others may write to it\n\
                 hint: unset PACKED_MODE: the other modes bring the store paths along",
            ),
            (
                reason(
                    Mode::Namespace,
                    Impossible::Namespace { call: identity::SETGROUPS, errno: Errno::NOENT },
                ),
                "the closure cannot be made visible: namespace: /proc/self/setgroups: No such file \
                 or directory\n\
                 hint: mount /proc: without it, no user namespace can be set up",
            ),
            (
                reason(Mode::Ram, Impossible::Mount { object: "/".into(), errno: Errno::INVAL }),
                "the closure cannot be made visible: ram: mount /: Invalid argument\n\
                 hint: run it outside of the chroot, or with PACKED_MODE=relocate",
            ),
            (
                Error::File { operation: WRITE_TO, object: "stdout".into(), errno: Errno::BADF },
                "cannot write to stdout: Bad file descriptor\n\
                 hint: check where its output goes",
            ),
            (
                reason(Mode::Ram, Impossible::Failed(Box::new(Error::Memory))),
                "the closure cannot be made visible: ram: out of memory\n\
                 hint: raise the limit of memory: ulimit -v unlimited",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn odd_bytes_are_shown_escaped() {
        assert_eq!(Shown::from(&b"a\xffb\n\xc3\xa4"[..]).to_string(), "a\\xffb\\n\u{e4}");
    }

    #[test]
    fn exit_statuses_are_those_of_env() {
        let exec = |errno| Error::Exec { program: "x".into(), errno }.exit_status();
        assert_eq!(exec(Errno::NOENT), 127);
        assert_eq!(exec(Errno::ACCESS), 126);
        assert_eq!(exec(Errno::NOEXEC), 126);
        assert_eq!(Error::Memory.exit_status(), 125);
    }
}
