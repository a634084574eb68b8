//! What the launcher says where it gives up; two lines each.

use crate::row::Expected::{self, Refuses};

pub(crate) const SWITCHED_OFF: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: No space left on device\n\
     hint: user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=10000",
);

pub(crate) const NO_MORE_IN_BUBBLEWRAP: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: No space left on device\n\
     hint: this sandbox allows no user namespaces: run it outside, or start the sandbox without \
     that restriction (bwrap: --disable-userns)",
);

pub(crate) const UNSHARE_EPERM: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Operation not permitted\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);

pub(crate) const USER_IN_CHROOT: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Operation not permitted\n\
     hint: the kernel refuses it in a chroot: enter the directory with \
     bwrap --bind DIR / --dev /dev --proc /proc",
);

pub(crate) const CONTAINED_ROOT_READ_ONLY: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Operation not permitted\n\
     hint: this root may not mount; run the container with --cap-add SYS_ADMIN, or let it write \
     to / so that /nix/store can be made there",
);

pub(crate) const DOCKER_READ_ONLY: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     relocate, namespace: no directory can hold the cache: \
     /.cache/packed (mkdir: Read-only file system), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory); \
     ram: unshare: Operation not permitted\n\
     hint: set PACKED_CACHE to a directory of yours from which programs may be executed",
);

pub(crate) const DOCKER_READ_ONLY_FIXED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: no directory can hold the cache: /.cache/packed (mkdir: Read-only file system), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory); \
     ram: unshare: Operation not permitted\n\
     hint: this root may not mount; run the container with --cap-add SYS_ADMIN, or let it write \
     to / so that /nix/store can be made there",
);

pub(crate) const UNSHARE_ENOSYS: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Function not implemented\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);

/// The filter ends the process; a child has tried.
pub(crate) const KILLED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: signal 31 ended the attempt\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);

pub(crate) const MAPS_EROFS: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: /proc/self/setgroups: Read-only file system\n\
     hint: /proc is read-only; as root: mount -o remount,rw /proc",
);

/// Landlock refuses, and nothing on the host tells that it is there.
pub(crate) const MAPS_EACCES: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: /proc/self/setgroups: Permission denied\n\
     hint: run it as root, or outside the sandbox or container; PACKED_LOG=debug shows more",
);

/// Ubuntu's AppArmor: the hint has a whole profile for the bundle's file in it.
pub(crate) const APPARMOR: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: mount a new root: Operation not permitted; \
     ram: mount a file system in memory: Operation not permitted\n\
     hint: AppArmor requires a profile for it; as root: echo 'abi <abi/4.0>, \
     profile packed-* \"/srv/*\" flags=(unconfined) { userns, }' >/etc/apparmor.d/packed-* && \
     apparmor_parser -r /etc/apparmor.d/packed-*",
);

/// The same by a profile that stands for Ubuntu's kernel, which AppArmor refuses with another error.
pub(crate) const APPARMOR_MOUNT: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: mount a new root: Permission denied; \
     ram: mount a file system in memory: Permission denied\n\
     hint: AppArmor requires a profile for it; as root: echo 'abi <abi/4.0>, \
     profile packed-* \"/srv/*\" flags=(unconfined) { userns, }' >/etc/apparmor.d/packed-* && \
     apparmor_parser -r /etc/apparmor.d/packed-*",
);

/// AppArmor, without Ubuntu's restriction: a profile that the program got from the one that started it.
pub(crate) const APPARMOR_LABEL: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Permission denied\n\
     hint: AppArmor forbids it for no-namespaces (enforce): run the container with \
     --security-opt apparmor=unconfined; elsewhere, allow userns, mount, \
     capability sys_admin and sys_chroot in that profile",
);

/// Debian's and Arch's kernels have this switch.
pub(crate) const UNPRIVILEGED_OFF: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: unshare: Operation not permitted\n\
     hint: kernel.unprivileged_userns_clone is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1",
);

pub(crate) const MOUNT_EPERM: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: mount a new root: Operation not permitted; \
     ram: mount a file system in memory: Operation not permitted\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);

pub(crate) const MOUNT_EACCES: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: mount a new root: Permission denied; \
     ram: mount a file system in memory: Permission denied\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);

pub(crate) const WITHOUT_PROC: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace, ram: /proc/self/setgroups: No such file or directory\n\
     hint: user namespaces need /proc; as root: mount -t proc proc /proc",
);

pub(crate) const EMPTY_ROOT: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     relocate, namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (open: No such file or directory), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory); \
     ram: /proc/self/setgroups: No such file or directory\n\
     hint: set PACKED_CACHE to a directory of yours from which programs may be executed",
);

pub(crate) const EMPTY_ROOT_FIXED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (open: No such file or directory), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory); \
     ram: /proc/self/setgroups: No such file or directory\n\
     hint: user namespaces need /proc; as root: mount -t proc proc /proc",
);

/// Neither a place for the cache nor a namespace.
pub(crate) const NOTHING: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     relocate, namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (mounted noexec), /var/tmp (mounted noexec), /tmp (mounted noexec); \
     ram: unshare: Operation not permitted\n\
     hint: set PACKED_CACHE to a directory of yours from which programs may be executed",
);

pub(crate) const NOTHING_FIXED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store; \
     namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (mounted noexec), /var/tmp (mounted noexec), /tmp (mounted noexec); \
     ram: unshare: Operation not permitted\n\
     hint: a seccomp filter refuses it: run the container with --security-opt seccomp=unconfined, \
     a service with RestrictNamespaces=no and SystemCallFilter=@mount",
);
