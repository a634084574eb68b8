//! The texts of all messages.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::fmt;

use format::Mode;
use rustix::io::Errno;

use super::refusal::{Cause, Refusal, Step};
use super::shown::{Shown, Size};
use super::{DesktopError, Error, Impossible, NoDrivers, Room, Unusable, WRITE_TO};
use crate::system::call;
use crate::system::limit::MemoryLimit;

/// The first line of a message.
pub(super) struct What<'a>(pub(super) &'a Error);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Damaged(
                error @ (format::Error::EmptyDescriptor | format::Error::Version { .. }),
            ) => {
                write!(f, "{error}")
            }
            Error::Damaged(error) => write!(f, "this bundle is damaged: {error}"),
            Error::FileLength { expected, found } if found < expected => {
                write!(f, "payload missing: the file has {found} bytes of {expected}")
            }
            Error::FileLength { expected, found } => {
                write!(f, "the file has {found} bytes, but {expected} were packed")
            }
            Error::OwnFile(errno) => {
                write!(f, "cannot read this bundle's own file: {}", call::message(*errno))
            }
            Error::File { operation, object, errno } => {
                write!(f, "cannot {operation} {object}: {}", call::message(*errno))
            }
            Error::Unusable { object, reason } => write!(f, "cannot use {object}: {reason}"),
            Error::NoSpace { needed, place, errno } => {
                let text = call::message(*errno);
                write!(f, "cannot unpack {} to {place}: {text}", Size(needed.bytes))
            }
            Error::UnknownMode(name) => write!(f, "PACKED_MODE={name} is not a mode"),
            Error::ModeNotAllowed { mode, .. } => {
                write!(f, "this bundle does not allow the mode {mode}")
            }
            Error::NoMode { tried, .. } => {
                f.write_str("the closure cannot be made visible: ")?;
                reasons(f, tried)
            }
            Error::UnknownArgv0(name) => write!(f, "PACKED_ARGV0={name} is not known"),
            Error::UnknownGraphics(name) => write!(f, "PACKED_GRAPHICS={name} is not known"),
            Error::NoDrivers(reason) => write!(f, "no graphics drivers: {reason}"),
            Error::UnknownCommand(name) => write!(f, "PACKED={name} is not a command"),
            Error::NoSbom => f.write_str("this bundle has no bill of materials"),
            Error::NotInPath(program) => write!(f, "the host has no {program} in PATH"),
            Error::Exec { program, errno } => {
                write!(f, "cannot execute {program}: {}", call::message(*errno))
            }
            Error::SetGroup => f.write_str("cannot run a set-group-id bundle"),
            Error::Memory(MemoryLimit::ControlGroup(limit)) => {
                write!(f, "out of memory: its control group allows {}", Size(*limit))
            }
            Error::Memory(_) => f.write_str("out of memory"),
            Error::Stack => f.write_str("the stack is too small to unpack this bundle"),
            Error::Desktop(error) => write!(f, "{error}"),
        }
    }
}

/// The hint for too many open files.
const MORE_FILES: &str = "raise the limit of open files: ulimit -n 64";

/// The hint for a cache whose path is unfit for relocation.
const SHORT_PATH: &str =
    "set PACKED_CACHE to a short path of letters and digits, such as /var/tmp/NAME";

/// The hint for hosts where no directory can hold the cache.
const OWN_DIRECTORY: &str =
    "set PACKED_CACHE to a directory of yours from which programs may be executed";

/// Returns the hint for an errno that means the same after every operation.
fn errno_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::MFILE => Some(MORE_FILES),
        Errno::IO => Some("the disk or the connection to it fails: see dmesg"),
        Errno::INTR => Some("a signal interrupted it: start it again"),
        _ => None,
    }
}

/// The second line of a message.
pub(super) struct Hint<'a>(pub(super) &'a Error);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Error::OwnFile(errno)
        | Error::File { errno, .. }
        | Error::Exec { errno, .. }
        | Error::Desktop(DesktopError::File { errno, .. }) = self.0
            && let Some(hint) = errno_hint(*errno)
        {
            return f.write_str(hint);
        }
        match self.0 {
            Error::Damaged(format::Error::EmptyDescriptor) => {
                f.write_str("this is only the stub; `packer build` makes a bundle")
            }
            Error::Damaged(format::Error::Version { .. }) => {
                f.write_str("use the `packer` that made it, or a newer one")
            }
            Error::Damaged(_) => f.write_str("get the file again and compare its size and digest"),
            Error::FileLength { expected, found } if found < expected => f.write_str(
                "was the file stripped, or the download incomplete? get it again, unchanged",
            ),
            Error::FileLength { .. } => f.write_str("get the file again, unchanged"),
            Error::OwnFile(Errno::ACCESS) => {
                f.write_str("it must be readable, not just executable: chmod +r")
            }
            Error::OwnFile(_) => f.write_str("run it by a path that stays valid while it starts"),
            Error::File { errno: Errno::FBIG, .. } => {
                f.write_str("raise the limit of a file's size: ulimit -f unlimited")
            }
            Error::File { errno: Errno::EXIST, .. } => {
                f.write_str("remove it first, or choose another directory")
            }
            Error::File { operation: WRITE_TO, .. } => f.write_str("check where standard output goes"),
            Error::File { .. } => f.write_str(
                "use a directory that you may write to; for the cache, set PACKED_CACHE to it",
            ),
            Error::Unusable { reason, .. } => f.write_str(match reason {
                Unusable::OtherLayout => "set PACKED_CACHE to another directory, or remove this one",
                Unusable::OtherFiles => {
                    "set PACKED_CACHE to an empty directory, or to one that does not exist"
                }
                Unusable::TooManyStores => "remove unused bundles with PACKED=clear or packer cache gc",
                Unusable::Unfit(_) => SHORT_PATH,
                _ => OWN_DIRECTORY,
            }),
            Error::NoSpace { needed: Room { bytes, files }, place, errno: Errno::DQUOT } => write!(
                f,
                "your quota must allow {} and {files} files in {place}; for the cache, set PACKED_CACHE to a directory on \
                 this machine's own disk, or PACKED_SHARED to a cache that an administrator has filled",
                Size(*bytes),
            ),
            Error::NoSpace { needed: Room { bytes, files }, place, .. } => write!(
                f,
                "make room for {} and {files} files in {place}, or use another disk: for the cache, set PACKED_CACHE",
                Size(*bytes),
            ),
            Error::UnknownMode(_) => write!(f, "{}", format::UnknownMode),
            Error::ModeNotAllowed { allowed, .. } => {
                f.write_str("unset PACKED_MODE, or use one of ")?;
                let allowed: Vec<Mode> = allowed.iter().collect();
                list(f, &allowed, |f, mode| write!(f, "{mode}"))
            }
            Error::NoMode { tried, cause } => no_mode_hint(f, tried, cause.as_ref()),
            Error::UnknownArgv0(_) => f.write_str(
                "PACKED_ARGV0=caller passes on what the caller gave; unset it for what the packer chose",
            ),
            Error::UnknownCommand(_) => {
                f.write_str("the commands are info, sbom, verify, extract=DIR, clear and desktop=install, remove or list; unset PACKED to run the program")
            }
            Error::UnknownGraphics(_) => f.write_str(
                "PACKED_GRAPHICS is host, bundle or off; unset it to let the launcher choose",
            ),
            Error::NoDrivers(NoDrivers::WithoutPlace) => f.write_str(
                "set PACKED_CACHE to a directory of yours, without ':', ';' and '$' in its path",
            ),
            Error::NoDrivers(NoDrivers::InBundle) => f.write_str(
                "unset PACKED_GRAPHICS, or pack drivers: packer build --graphics",
            ),
            Error::NoDrivers(NoDrivers::OfVersion(_)) => f.write_str(
                "after an update of the driver, start the machine again; in a container, let the engine add the driver",
            ),
            Error::NoDrivers(_) => {
                f.write_str("unset PACKED_GRAPHICS: the bundle's own drivers are used then, if it has any")
            }
            Error::NoSbom => f.write_str("packer sbom makes one of the file; packer build --sbom puts it in"),
            Error::NotInPath(_) => f.write_str("xdg-utils has it; install that on the host"),
            Error::Exec { errno: Errno::NOENT, .. } => {
                f.write_str("the program or its interpreter is missing; was it excluded, or deleted from the cache? PACKED=clear makes the next start unpack again, PACKED_SHARED=none does without shared caches")
            }
            Error::Exec { errno: Errno::ACCESS, .. } => f.write_str(
                "is its directory on a file system mounted noexec? set PACKED_CACHE to another place",
            ),
            Error::Exec { errno: Errno::TOOBIG, .. } => {
                f.write_str("pass fewer or shorter arguments and environment variables")
            }
            Error::Exec { errno: Errno::NOEXEC | Errno::INVAL, .. } => {
                f.write_str("was it packed for this machine's processor? see PACKED=info")
            }
            Error::Exec { .. } => f.write_str("start it again; PACKED=clear makes the next start unpack again"),
            Error::SetGroup => f.write_str(
                "its caller could change the cache: chmod g-s, or make it set-user-id for a separate user",
            ),
            Error::Memory(limit) => f.write_str(match limit {
                MemoryLimit::AddressSpace => "raise the limit of memory: ulimit -v unlimited",
                MemoryLimit::Data => "raise the limit of memory: ulimit -d unlimited",
                MemoryLimit::ControlGroup(_) => {
                    "raise that limit: MemoryMax= of a service, --memory of a container"
                }
                MemoryLimit::Machine => "end other programs, or run it on a machine with more memory",
            }),
            Error::Stack => f.write_str("raise the limit of the stack: ulimit -s 64"),
            Error::Desktop(error) => f.write_str(error.hint()),
        }
    }
}

/// Writes the hint for the mode `relocate` if it was tried: all that it needs is a suitable
/// directory. Otherwise the hint is for the last mode, which needs the least.
fn no_mode_hint(
    f: &mut fmt::Formatter<'_>,
    tried: &[(Mode, Impossible)],
    cause: Option<&Cause>,
) -> fmt::Result {
    let relocate = tried.iter().find(|(mode, _)| *mode == Mode::Relocate);
    match relocate.or(tried.last()).map(|(_, reason)| reason) {
        Some(Impossible::NoPlace(places))
            if places.iter().any(|(_, reason)| matches!(reason, Unusable::Unfit(_))) =>
        {
            f.write_str(SHORT_PATH)
        }
        Some(reason @ Impossible::NoPlace(_)) if reason.is_of_process() => f.write_str(MORE_FILES),
        Some(Impossible::NoPlace(_)) => f.write_str(OWN_DIRECTORY),
        Some(Impossible::NotOnHost(_) | Impossible::ForeignStore(_)) => {
            f.write_str("unset PACKED_MODE: other modes use the store paths in the bundle")
        }
        Some(Impossible::Refused(Refusal { errno, .. })) => match errno_hint(*errno) {
            Some(hint) => f.write_str(hint),
            None => fmt::Display::fmt(cause.unwrap_or(&Cause::Unknown), f),
        },
        Some(Impossible::Killed(_)) => fmt::Display::fmt(cause.unwrap_or(&Cause::Unknown), f),
        Some(Impossible::Unsupported) | None => f.write_str("unset PACKED_MODE"),
        Some(Impossible::Failed(error)) => fmt::Display::fmt(&Hint(error), f),
    }
}

/// Writes what to do about the cause.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Setting { name, value, allows } => {
                write!(f, "{name} is {value}; as root: sysctl -w {name}={allows}")
            }
            Cause::Sandbox => f.write_str(
                "this sandbox allows no user namespaces: run it outside, or start the sandbox without \
                 that restriction (bwrap: --disable-userns)",
            ),
            Cause::Limit => f.write_str(
                "too many namespaces, or nested too deep; as root: sysctl -w user.max_user_namespaces=100000",
            ),
            Cause::NoProfile { program } => {
                let path = program.as_bytes();
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
                let name = Shown::from(name);
                let file = format_args!("/etc/apparmor.d/packed-{name}");
                write!(
                    f,
                    "AppArmor requires a profile for it; as root: echo 'abi <abi/4.0>, profile packed-{name} \
                     \"{program}\" flags=(unconfined) {{ userns, }}' >{file} && apparmor_parser -r {file}",
                )
            }
            // An SELinux label has four or more fields.
            Cause::Label(label) if label.as_bytes().contains(&b':') => write!(
                f,
                "SELinux forbids it for {label}: run the container with --security-opt label=disable; \
                 elsewhere, ausearch -m avc shows the rule"
            ),
            Cause::Label(label) => write!(
                f,
                "AppArmor forbids it for {label}: run the container with --security-opt apparmor=unconfined; \
                 elsewhere, allow userns, mount, capability sys_admin and sys_chroot in that profile"
            ),
            Cause::Seccomp => f.write_str(
                "a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
                 a service with RestrictNamespaces=no and SystemCallFilter=@mount",
            ),
            Cause::NoCapability => f.write_str(
                "this root may not mount; run the container with --cap-add SYS_ADMIN, \
                 or let it write to / so that /nix/store can be made there",
            ),
            Cause::Chroot => f.write_str(
                "the kernel refuses it in a chroot: enter the directory with bwrap --bind DIR / --dev /dev --proc /proc",
            ),
            Cause::NoProc => {
                f.write_str("user namespaces need /proc; as root: mount -t proc proc /proc")
            }
            Cause::ReadOnlyProc => {
                f.write_str("/proc is read-only; as root: mount -o remount,rw /proc")
            }
            Cause::Wsl1 => f.write_str(
                "WSL 1 has no namespaces; in Windows: wsl --set-version DISTRIBUTION 2",
            ),
            Cause::Unsupported => f.write_str(
                "the kernel (CONFIG_USER_NS) or qemu-user does not support user namespaces: run it as root",
            ),
            Cause::Unknown => {
                f.write_str("run it as root, or outside the sandbox or container; PACKED_LOG=debug shows more")
            }
        }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::NotOnHost(path) => write!(f, "the host has no {path}"),
            Impossible::ForeignStore(path) => {
                write!(f, "{path} belongs to another user, or others may write to it")
            }
            Impossible::Refused(Refusal { step, object, errno }) => {
                match step {
                    Step::Unshare => f.write_str("unshare")?,
                    Step::Identity => write!(f, "{object}")?,
                    Step::Mount => write!(f, "mount {object}")?,
                }
                write!(f, ": {}", call::message(*errno))
            }
            Impossible::Killed(signal) => write!(f, "signal {signal} ended the attempt"),
            Impossible::NoPlace(tried) => {
                f.write_str("no directory can hold the cache: ")?;
                list(f, tried, |f, (place, reason)| write!(f, "{place} ({reason})"))
            }
            Impossible::Unsupported => f.write_str("not supported by this version"),
            Impossible::Failed(error) => fmt::Display::fmt(&What(error), f),
        }
    }
}

impl fmt::Display for NoDrivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDrivers::InBundle => f.write_str("the bundle has none"),
            NoDrivers::OnHost => f.write_str(
                "the host has neither /run/opengl-driver with libraries for this glibc nor NVIDIA's module in its kernel",
            ),
            NoDrivers::OfVersion(version) => {
                write!(f, "the kernel has NVIDIA's module {version}, but the host has no libraries of that version")
            }
            NoDrivers::WithoutPlace => f.write_str("no directory can have links to the host's"),
            NoDrivers::WithoutGlibc => f.write_str("the host's need glibc, which the bundle does not have"),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Failed(call, errno) => write!(f, "{call}: {}", call::message(*errno)),
            Unusable::ForeignOwner(uid) => write!(f, "belongs to user {uid}"),
            Unusable::ForeignLink(uid) => write!(f, "a link of user {uid}"),
            Unusable::WritableByOthers => f.write_str("others may write to it"),
            Unusable::ReplaceableByOthers => f.write_str("others may replace it"),
            Unusable::NoExec => f.write_str("mounted noexec"),
            Unusable::Relative => f.write_str("not an absolute path"),
            Unusable::Unfit(error) => write!(f, "{error}"),
            Unusable::OtherLayout => {
                f.write_str("another version created it with a different layout")
            }
            Unusable::OtherFiles => f.write_str("it contains files that do not belong to a cache"),
            Unusable::TooManyStores => {
                f.write_str("too many of its store paths have the same name")
            }
        }
    }
}

/// Writes each mode with its reason. Modes with the same reason share it: `namespace, ram: unshare:
/// Operation not permitted`.
fn reasons(f: &mut fmt::Formatter<'_>, tried: &[(Mode, Impossible)]) -> fmt::Result {
    let mut texts = tried.iter().map(|(mode, reason)| (mode, reason.to_string())).peekable();
    while let Some((mode, reason)) = texts.next() {
        write!(f, "{mode}")?;
        match texts.peek() {
            Some((_, next)) if *next == reason => f.write_str(", ")?,
            Some(_) => write!(f, ": {reason}; ")?,
            None => write!(f, ": {reason}")?,
        }
    }
    Ok(())
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
    use alloc::vec;

    use super::*;
    use crate::error::Shown;

    fn reason(mode: Mode, reason: Impossible) -> Error {
        Error::NoMode { tried: vec![(mode, reason)], cause: None }
    }

    fn refused(step: Step, object: &str, errno: Errno, cause: Cause) -> Error {
        let refusal = Refusal { step, object: object.into(), errno };
        Error::NoMode { tried: vec![(Mode::Namespace, refusal.into())], cause: Some(cause) }
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
                Error::Damaged(format::Error::Version { found: 9 }),
                "bundle format version 9 is not known (this program reads 1 to 5)\n\
                 hint: use the `packer` that made it, or a newer one",
            ),
            (
                Error::FileLength { expected: 1000, found: 300 },
                "payload missing: the file has 300 bytes of 1000\n\
                 hint: was the file stripped, or the download incomplete? get it again, unchanged",
            ),
            (
                Error::OwnFile(Errno::ACCESS),
                "cannot read this bundle's own file: Permission denied\n\
                 hint: it must be readable, not just executable: chmod +r",
            ),
            (
                Error::NoSpace {
                    needed: Room { bytes: 106_000_000, files: 1200 },
                    place: place(),
                    errno: Errno::NOSPC,
                },
                "cannot unpack 106.0 MB to /home/alice/.cache/packed: No space left on device\n\
                 hint: make room for 106.0 MB and 1200 files in /home/alice/.cache/packed, or use another \
                 disk: for the cache, set PACKED_CACHE",
            ),
            (
                Error::NoSpace {
                    needed: Room { bytes: 106_000_000, files: 1200 },
                    place: place(),
                    errno: Errno::DQUOT,
                },
                "cannot unpack 106.0 MB to /home/alice/.cache/packed: Disk quota exceeded\n\
                 hint: your quota must allow 106.0 MB and 1200 files in /home/alice/.cache/packed; for the \
                 cache, set PACKED_CACHE to a directory on this machine's own disk, or PACKED_SHARED to a cache that an \
                 administrator has filled",
            ),
            (
                Error::unusable(&b"/srv/c"[..], Unusable::OtherLayout),
                "cannot use /srv/c: another version created it with a different layout\n\
                 hint: set PACKED_CACHE to another directory, or remove this one",
            ),
            (
                Error::unusable(&b"/home/alice"[..], Unusable::OtherFiles),
                "cannot use /home/alice: it contains files that do not belong to a cache\n\
                 hint: set PACKED_CACHE to an empty directory, or to one that does not exist",
            ),
            (
                Error::unusable(c"bundles", Unusable::ForeignOwner(7)),
                "cannot use bundles: belongs to user 7\n\
                 hint: set PACKED_CACHE to a directory of yours from which programs may be executed",
            ),
            (
                Error::unusable(&b"/srv/c"[..], Unusable::TooManyStores),
                "cannot use /srv/c: too many of its store paths have the same name\n\
                 hint: remove unused bundles with PACKED=clear or packer cache gc",
            ),
            (
                Error::File { operation: "create", object: "work".into(), errno: Errno::INTR },
                "cannot create work: Interrupted system call\n\
                 hint: a signal interrupted it: start it again",
            ),
            (
                Error::UnknownMode("fast\n".into()),
                "PACKED_MODE=fast\\n is not a mode\n\
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
                Error::UnknownArgv0("x".into()),
                "PACKED_ARGV0=x is not known\n\
                 hint: PACKED_ARGV0=caller passes on what the caller gave; unset it for what the packer chose",
            ),
            (
                Error::UnknownGraphics("x".into()),
                "PACKED_GRAPHICS=x is not known\n\
                 hint: PACKED_GRAPHICS is host, bundle or off; unset it to let the launcher choose",
            ),
            (
                Error::NoDrivers(NoDrivers::OfVersion("550.54.14".into())),
                "no graphics drivers: the kernel has NVIDIA's module 550.54.14, but the host has no libraries of that version\n\
                 hint: after an update of the driver, start the machine again; in a container, let the engine add the driver",
            ),
            (
                Error::NoSbom,
                "this bundle has no bill of materials\n\
                 hint: packer sbom makes one of the file; packer build --sbom puts it in",
            ),
            (
                Error::UnknownCommand("help".into()),
                "PACKED=help is not a command\n\
                 hint: the commands are info, sbom, verify, extract=DIR, clear and desktop=install, remove or list; unset PACKED to run the program",
            ),
            (
                Error::Exec { program: "/nix/store/x/bin/y".into(), errno: Errno::NOENT },
                "cannot execute /nix/store/x/bin/y: No such file or directory\n\
                 hint: the program or its interpreter is missing; was it excluded, or deleted from the cache? PACKED=clear makes the next start unpack again, PACKED_SHARED=none does without shared caches",
            ),
            (
                Error::Exec { program: "/nix/store/x/bin/y".into(), errno: Errno::TOOBIG },
                "cannot execute /nix/store/x/bin/y: Argument list too long\n\
                 hint: pass fewer or shorter arguments and environment variables",
            ),
            (
                Error::Exec { program: "/nix/store/x/bin/y".into(), errno: Errno::TXTBSY },
                "cannot execute /nix/store/x/bin/y: Text file busy\n\
                 hint: start it again; PACKED=clear makes the next start unpack again",
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
                 hint: unset PACKED_MODE: other modes use the store paths in the bundle",
            ),
            (
                Error::File { operation: WRITE_TO, object: "stdout".into(), errno: Errno::BADF },
                "cannot write to stdout: Bad file descriptor\n\
                 hint: check where standard output goes",
            ),
            (
                Error::SetGroup,
                "cannot run a set-group-id bundle\n\
                 hint: its caller could change the cache: chmod g-s, or make it set-user-id for a \
                 separate user",
            ),
            (
                reason(
                    Mode::Ram,
                    Impossible::Failed(Box::new(Error::Memory(MemoryLimit::AddressSpace))),
                ),
                "the closure cannot be made visible: ram: out of memory\n\
                 hint: raise the limit of memory: ulimit -v unlimited",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn refusals_name_their_cause_and_a_command() {
        let unshare = |errno, cause| refused(Step::Unshare, "", errno, cause);
        let user_namespaces =
            Cause::Setting { name: "user.max_user_namespaces", value: 0, allows: 10_000 };
        let debian =
            Cause::Setting { name: "kernel.unprivileged_userns_clone", value: 0, allows: 1 };
        let ubuntu = Cause::NoProfile { program: "/home/alice/markov".into() };
        let identity = |errno, cause| refused(Step::Identity, "/proc/self/uid_map", errno, cause);
        let mount = |errno, cause| refused(Step::Mount, "/nix/store", errno, cause);
        let cases = [
            (
                unshare(Errno::NOSPC, user_namespaces),
                "unshare: No space left on device\n\
                 hint: user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=10000",
            ),
            (
                unshare(Errno::NOSPC, Cause::Sandbox),
                "unshare: No space left on device\n\
                 hint: this sandbox allows no user namespaces: run it outside, or start the sandbox \
                 without that restriction (bwrap: --disable-userns)",
            ),
            (
                unshare(Errno::NOSPC, Cause::Limit),
                "unshare: No space left on device\n\
                 hint: too many namespaces, or nested too deep; as root: \
                 sysctl -w user.max_user_namespaces=100000",
            ),
            (
                unshare(Errno::PERM, debian),
                "unshare: Operation not permitted\n\
                 hint: kernel.unprivileged_userns_clone is 0; as root: \
                 sysctl -w kernel.unprivileged_userns_clone=1",
            ),
            (
                identity(Errno::PERM, ubuntu),
                "/proc/self/uid_map: Operation not permitted\n\
                 hint: AppArmor requires a profile for it; as root: echo 'abi <abi/4.0>, \
                 profile packed-markov \"/home/alice/markov\" flags=(unconfined) { userns, }' \
                 >/etc/apparmor.d/packed-markov && apparmor_parser -r /etc/apparmor.d/packed-markov",
            ),
            (
                mount(Errno::ACCESS, Cause::Label("docker-default (enforce)".into())),
                "mount /nix/store: Permission denied\n\
                 hint: AppArmor forbids it for docker-default (enforce): run the container with \
                 --security-opt apparmor=unconfined; elsewhere, allow userns, mount, \
                 capability sys_admin and sys_chroot in that profile",
            ),
            (
                mount(Errno::ACCESS, Cause::Label("system_u:system_r:container_t:s0:c1,c2".into())),
                "mount /nix/store: Permission denied\n\
                 hint: SELinux forbids it for system_u:system_r:container_t:s0:c1,c2: run the container \
                 with --security-opt label=disable; elsewhere, ausearch -m avc shows the rule",
            ),
            (
                unshare(Errno::PERM, Cause::Seccomp),
                "unshare: Operation not permitted\n\
                 hint: a seccomp filter refuses it: run the container with \
                 --security-opt seccomp=unconfined, a service with RestrictNamespaces=no and SystemCallFilter=@mount",
            ),
            (
                unshare(Errno::PERM, Cause::NoCapability),
                "unshare: Operation not permitted\n\
                 hint: this root may not mount; run the container with --cap-add SYS_ADMIN, \
                 or let it write to / so that /nix/store can be made there",
            ),
            (
                unshare(Errno::PERM, Cause::Chroot),
                "unshare: Operation not permitted\n\
                 hint: the kernel refuses it in a chroot: enter the directory with bwrap --bind DIR / \
                 --dev /dev --proc /proc",
            ),
            (
                identity(Errno::NOENT, Cause::NoProc),
                "/proc/self/uid_map: No such file or directory\n\
                 hint: user namespaces need /proc; as root: mount -t proc proc /proc",
            ),
            (
                identity(Errno::ROFS, Cause::ReadOnlyProc),
                "/proc/self/uid_map: Read-only file system\n\
                 hint: /proc is read-only; as root: mount -o remount,rw /proc",
            ),
            (
                unshare(Errno::INVAL, Cause::Wsl1),
                "unshare: Invalid argument\n\
                 hint: WSL 1 has no namespaces; in Windows: wsl --set-version DISTRIBUTION 2",
            ),
            (
                unshare(Errno::INVAL, Cause::Unsupported),
                "unshare: Invalid argument\n\
                 hint: the kernel (CONFIG_USER_NS) or qemu-user does not support user namespaces: \
                 run it as root",
            ),
            (
                unshare(Errno::PERM, Cause::Unknown),
                "unshare: Operation not permitted\n\
                 hint: run it as root, or outside the sandbox or container; PACKED_LOG=debug shows more",
            ),
            (
                Error::NoMode {
                    tried: vec![(Mode::Namespace, Impossible::Killed(31))],
                    cause: Some(Cause::Seccomp),
                },
                "signal 31 ended the attempt\n\
                 hint: a seccomp filter refuses it: run the container with \
                 --security-opt seccomp=unconfined, a service with RestrictNamespaces=no and SystemCallFilter=@mount",
            ),
        ];
        for (error, text) in cases {
            let text = alloc::format!("the closure cannot be made visible: namespace: {text}");
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn modes_share_a_reason() {
        let refusal = Refusal { step: Step::Unshare, object: "".into(), errno: Errno::PERM };
        let tried = vec![
            (Mode::Host, Impossible::NotOnHost("/nix/store".into())),
            (Mode::Namespace, refusal.clone().into()),
            (Mode::Ram, refusal.into()),
        ];
        assert_eq!(
            Error::NoMode { tried, cause: Some(Cause::Unknown) }.what().to_string(),
            "the closure cannot be made visible: host: the host has no /nix/store; \
             namespace, ram: unshare: Operation not permitted"
        );
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
        assert_eq!(Error::Stack.exit_status(), 125);
    }
}
