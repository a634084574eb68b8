//! Finds out why the kernel refused a namespace or a mount, from the errno and the host's settings.
//!
//! The rules come from user_namespaces(7), unshare(2) and seccomp(2), and from the distributions
//! that restrict user namespaces: Debian and Arch with `kernel.unprivileged_userns_clone`, Ubuntu
//! with `kernel.apparmor_restrict_unprivileged_userns`.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, SecureComputingMode};

use super::shown::Shown;
use crate::system::{call, file};

/// A system call for entering a namespace that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of system call.
    pub step: Step,
    /// The file or mount; empty for `unshare`.
    pub object: Shown,
    /// The kernel's error.
    pub errno: Errno,
}

/// A kind of system call for entering a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creating new namespaces with unshare(2).
    Unshare,
    /// Writing to a file in /proc, so that user and group keep their numbers.
    Identity,
    /// Mounting, or changing the root directory.
    Mount,
}

/// Why the kernel refused a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A system setting.
    Setting {
        /// The setting's name for sysctl(8).
        name: &'static str,
        /// The setting's value, which forbids namespaces.
        value: u64,
        /// A value that allows them.
        allows: u64,
    },
    /// A sandbox or container that forbids user namespaces, whatever the host allows.
    Sandbox,
    /// There are too many namespaces, or they are nested too deep.
    Limit,
    /// Ubuntu's AppArmor allows user namespaces only to programs with a profile.
    NoProfile {
        /// This bundle's file.
        program: Shown,
    },
    /// This AppArmor profile or SELinux context.
    Label(Shown),
    /// Root without CAP_SYS_ADMIN, as in a default container.
    NoCapability,
    /// A seccomp filter, for example of a container or a service.
    Seccomp,
    /// A chroot, in which the kernel forbids user namespaces.
    Chroot,
    /// /proc is not mounted.
    NoProc,
    /// /proc is mounted read-only.
    ReadOnlyProc,
    /// Version 1 of the Windows Subsystem for Linux, which has no Linux kernel.
    Wsl1,
    /// The kernel was built without it, or an emulator does not support it.
    Unsupported,
    /// The cause is not known.
    Unknown,
}

/// The host's settings that restrict namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    max_user_namespaces: Option<u64>,
    max_mount_namespaces: Option<u64>,
    unprivileged_userns_clone: Option<u64>,
    apparmor_restricts: bool,
    /// Whether this is root without the capability to mount.
    root_without_capability: bool,
    /// The security module's label, if it restricts this process.
    label: Option<Vec<u8>>,
    seccomp: bool,
    /// Whether this process is in a user namespace other than the host's.
    nested: bool,
    chroot: bool,
    proc: bool,
    wsl1: bool,
}

impl Refusal {
    /// Finds the cause.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Facts::read().cause(self.step, self.errno)
    }

    /// Encodes the refusal, for a child process to send to its parent.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.errno.raw_os_error().to_ne_bytes().into();
        bytes.push(self.step as u8);
        bytes.extend_from_slice(self.object.as_bytes());
        bytes
    }

    /// Decodes what [`Refusal::encode`] wrote; `None` for no bytes: nothing was refused.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Refusal> {
        let (errno, rest) = bytes.split_first_chunk()?;
        let (step, object) = rest.split_first()?;
        let step = [Step::Unshare, Step::Identity, Step::Mount].get(usize::from(*step))?;
        let errno = Errno::from_raw_os_error(i32::from_ne_bytes(*errno));
        Some(Refusal { step: *step, object: object.into(), errno })
    }
}

/// Whether entering a namespace may fail halfway, or may kill the process.
///
/// Ubuntu's AppArmor allows `unshare` and refuses the next steps. A seccomp filter can kill the
/// process instead of returning an error.
#[must_use]
pub fn is_doubtful() -> bool {
    // The order matters: under a filter, an unknown system call can kill the process, and reading
    // /proc takes as long as many system calls.
    is_filtered() || !call::has_no_label() && (apparmor_restricts() || label().is_some())
}

fn is_filtered() -> bool {
    matches!(rustix::thread::secure_computing_mode(), Ok(SecureComputingMode::Filter))
}

fn apparmor_restricts() -> bool {
    !call::is_root() && number(c"/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1)
}

/// Returns the AppArmor profile or SELinux context, unless it is one that restricts nothing.
fn label() -> Option<Vec<u8>> {
    let mut label = file::read(CWD, c"/proc/self/attr/current", 4096).ok()?;
    while label.last().is_some_and(|byte| matches!(byte, b'\n' | 0)) {
        label.pop();
    }
    // An AppArmor label has a mode after its name. An SELinux label has four fields, of which the
    // third is the type; without a loaded policy it is one word.
    let kind = label.split(|byte| *byte == b':').nth(2).unwrap_or(&label);
    let is_free = kind.starts_with(b"unconfined")
        || kind.ends_with(b" (unconfined)")
        || kind.ends_with(b" (complain)")
        || [&b""[..], b"kernel", b"kernel_t"].contains(&kind);
    (!is_free).then_some(label)
}

fn may_mount() -> bool {
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn number(name: &CStr) -> Option<u64> {
    let text = file::read(CWD, name, 64).ok()?;
    core::str::from_utf8(&text).ok()?.trim().parse().ok()
}

impl Facts {
    fn read() -> Facts {
        let read = |name| file::read(CWD, name, 1 << 20).unwrap_or_default();
        let mounts = read(c"/proc/self/mountinfo");
        // The fifth field of a line is the mount point, relative to this process's root.
        let is_root = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4) == Some(b"/");
        Facts {
            max_user_namespaces: number(c"/proc/sys/user/max_user_namespaces"),
            max_mount_namespaces: number(c"/proc/sys/user/max_mnt_namespaces"),
            unprivileged_userns_clone: number(c"/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: apparmor_restricts(),
            root_without_capability: call::is_root() && !may_mount(),
            label: label(),
            seccomp: is_filtered(),
            nested: is_nested(&read(c"/proc/self/uid_map")),
            chroot: !mounts.is_empty() && !mounts.split(|byte| *byte == b'\n').any(is_root),
            proc: !mounts.is_empty(),
            wsl1: read(c"/proc/sys/kernel/osrelease").ends_with(b"-Microsoft\n"),
        }
    }

    /// Returns the cause: the certain one if there is one, otherwise the most likely one.
    fn cause(&self, step: Step, errno: Errno) -> Cause {
        let off = |name, value, allows| match value {
            Some(0) => Some(Cause::Setting { name, value: 0, allows }),
            _ => None,
        };
        let label = || self.label.clone().map(|label| Cause::Label(label.as_slice().into()));
        let seccomp = || self.seccomp.then_some(Cause::Seccomp);
        let chroot = || self.chroot.then_some(Cause::Chroot);
        let cause = match errno {
            // Root in a nested user namespace cannot raise the limits of the outer one.
            Errno::NOSPC | Errno::USERS if self.nested => Some(Cause::Sandbox),
            Errno::NOSPC | Errno::USERS => {
                let user = off("user.max_user_namespaces", self.max_user_namespaces, 10_000);
                let mount = off("user.max_mnt_namespaces", self.max_mount_namespaces, 10_000);
                user.or(mount).or(Some(Cause::Limit))
            }
            Errno::NOENT if step == Step::Identity && !self.proc => Some(Cause::NoProc),
            Errno::ROFS if step == Step::Identity => Some(Cause::ReadOnlyProc),
            Errno::INVAL | Errno::NOSYS if step == Step::Unshare => match self.wsl1 {
                true => Some(Cause::Wsl1),
                false => seccomp().or(Some(Cause::Unsupported)),
            },
            // In a chroot, the root directory is not a mount point, so it cannot be mounted on.
            Errno::INVAL => chroot(),
            Errno::PERM | Errno::ACCESS if self.apparmor_restricts => {
                Some(Cause::NoProfile { program: own_file() })
            }
            Errno::PERM if self.root_without_capability => Some(Cause::NoCapability),
            // Security modules mostly return EACCES, and filters mostly EPERM.
            Errno::ACCESS => label().or_else(seccomp),
            Errno::PERM => {
                let name = "kernel.unprivileged_userns_clone";
                off(name, self.unprivileged_userns_clone, 1)
                    .or_else(chroot)
                    .or_else(seccomp)
                    .or_else(label)
            }
            _ => None,
        };
        cause.or_else(seccomp).unwrap_or(Cause::Unknown)
    }
}

/// Whether a user namespace is not the host's own, where every number maps to itself: `0 0
/// 4294967295`.
pub(crate) fn is_nested(uid_map: &[u8]) -> bool {
    let mut numbers = uid_map.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    !uid_map.is_empty() && !numbers.by_ref().eq([&b"0"[..], b"0", b"4294967295"])
}

fn own_file() -> Shown {
    let link = rustix::fs::readlinkat(CWD, c"/proc/self/exe", Vec::new());
    link.unwrap_or_else(|_| CString::default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_from_the_hosts_settings() {
        let plain = || Facts { proc: true, max_user_namespaces: Some(9), ..Facts::default() };
        let setting = |name, allows| Cause::Setting { name, value: 0, allows };
        let cases = [
            (
                Facts { max_user_namespaces: Some(0), ..plain() },
                (Step::Unshare, Errno::NOSPC),
                setting("user.max_user_namespaces", 10_000),
            ),
            (
                Facts { max_mount_namespaces: Some(0), ..plain() },
                (Step::Unshare, Errno::NOSPC),
                setting("user.max_mnt_namespaces", 10_000),
            ),
            (Facts { nested: true, ..plain() }, (Step::Unshare, Errno::NOSPC), Cause::Sandbox),
            (plain(), (Step::Unshare, Errno::NOSPC), Cause::Limit),
            // Linux before 4.9.
            (plain(), (Step::Unshare, Errno::USERS), Cause::Limit),
            (
                Facts { unprivileged_userns_clone: Some(0), seccomp: true, ..plain() },
                (Step::Unshare, Errno::PERM),
                setting("kernel.unprivileged_userns_clone", 1),
            ),
            (
                Facts { seccomp: true, label: Some(b"docker-default (enforce)".into()), ..plain() },
                (Step::Unshare, Errno::PERM),
                Cause::Seccomp,
            ),
            (
                Facts { seccomp: true, root_without_capability: true, ..plain() },
                (Step::Unshare, Errno::PERM),
                Cause::NoCapability,
            ),
            (
                Facts { seccomp: true, label: Some(b"docker-default (enforce)".into()), ..plain() },
                (Step::Mount, Errno::ACCESS),
                Cause::Label("docker-default (enforce)".into()),
            ),
            (Facts { seccomp: true, ..plain() }, (Step::Unshare, Errno::NOSYS), Cause::Seccomp),
            (Facts { chroot: true, ..plain() }, (Step::Unshare, Errno::PERM), Cause::Chroot),
            (Facts { chroot: true, ..plain() }, (Step::Mount, Errno::INVAL), Cause::Chroot),
            (Facts::default(), (Step::Identity, Errno::NOENT), Cause::NoProc),
            (plain(), (Step::Identity, Errno::ROFS), Cause::ReadOnlyProc),
            (Facts { wsl1: true, ..plain() }, (Step::Unshare, Errno::INVAL), Cause::Wsl1),
            (plain(), (Step::Unshare, Errno::INVAL), Cause::Unsupported),
            (plain(), (Step::Unshare, Errno::PERM), Cause::Unknown),
        ];
        for (facts, (step, errno), cause) in cases {
            assert_eq!(facts.cause(step, errno), cause, "{step:?} {errno} {facts:?}");
        }
        let ubuntu = Facts { apparmor_restricts: true, ..plain() };
        for errno in [Errno::PERM, Errno::ACCESS] {
            let cause = ubuntu.cause(Step::Identity, errno);
            assert!(matches!(cause, Cause::NoProfile { .. }), "{cause:?}");
        }
    }

    #[test]
    fn the_hosts_own_user_namespace_is_known_by_its_map() {
        assert!(!is_nested(b"         0          0 4294967295\n"));
        assert!(!is_nested(b""), "nothing is known without /proc");
        assert!(is_nested(b"      1000       1000          1\n"));
        assert!(is_nested(b"         0       1000          1\n         1     100000      65536\n"));
    }

    #[test]
    fn refusals_come_back_from_a_child() {
        let refusal =
            Refusal { step: Step::Mount, object: "/nix/store".into(), errno: Errno::ACCESS };
        assert_eq!(Refusal::decode(&refusal.encode()), Some(refusal));
        assert_eq!(Refusal::decode(&[]), None);
    }
}
