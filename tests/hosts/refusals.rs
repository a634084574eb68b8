//! What the launcher says where it gives up; two lines each.

use crate::host::Expected::{self, Refuses};

pub(crate) const SWITCHED_OFF: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: unshare: No space left on device, ram: unshare: No space left on device\n\
     hint: user namespaces are switched off: sysctl -w user.max_user_namespaces=10000",
);

pub(crate) const NO_MORE_IN_BUBBLEWRAP: Expected = SWITCHED_OFF;

pub(crate) const UNSHARE_EPERM: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: unshare: Operation not permitted, ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const USER_IN_CHROOT: Expected = UNSHARE_EPERM;

/// To change when the launcher creates /nix/store itself: then bundles run, and it says what it did.
pub(crate) const CONTAINED_ROOT: Expected = UNSHARE_EPERM;

pub(crate) const CONTAINED_ROOT_READ_ONLY: Expected = UNSHARE_EPERM;

pub(crate) const UNSHARE_ENOSYS: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: unshare: Function not implemented, ram: unshare: Function not implemented\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const MAPS_EROFS: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: /proc/self/setgroups: Read-only file system, \
     ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const MAPS_EACCES: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: /proc/self/setgroups: Permission denied, ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const MOUNT_EPERM: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: mount roots/*: Operation not permitted, \
     ram: mount a file system in memory: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const MOUNT_EACCES: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: mount roots/*: Permission denied, \
     ram: mount a file system in memory: Permission denied\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const ROOT_IN_CHROOT: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: mount /: Invalid argument, ram: mount /: Invalid argument\n\
     hint: run it outside of the chroot, or with PACKED_MODE=relocate",
);

pub(crate) const WITHOUT_PROC: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: /proc/self/setgroups: No such file or directory, \
     ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const EMPTY_ROOT: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     relocate: no directory can hold the cache: \
     /home/alice/.cache/packed (open: No such file or directory), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory), \
     namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (open: No such file or directory), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory), \
     ram: /proc/self/setgroups: No such file or directory\n\
     hint: mount /proc: without it, no user namespace can be set up",
);

pub(crate) const EMPTY_ROOT_FIXED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: no directory can hold the cache: \
     /home/alice/.cache/packed (open: No such file or directory), \
     /var/tmp (open: No such file or directory), /tmp (open: No such file or directory), \
     ram: /proc/self/setgroups: No such file or directory\n\
     hint: mount /proc: without it, no user namespace can be set up",
);

/// Neither a place for the cache nor a namespace.
pub(crate) const NOTHING: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     relocate: no directory can hold the cache: /home/alice/.cache/packed (mounted noexec), \
     /var/tmp (mounted noexec), /tmp (mounted noexec), \
     namespace: no directory can hold the cache: /home/alice/.cache/packed (mounted noexec), \
     /var/tmp (mounted noexec), /tmp (mounted noexec), \
     ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);

pub(crate) const NOTHING_FIXED: Expected = Refuses(
    "the closure cannot be made visible: host: the host has no /nix/store, \
     namespace: no directory can hold the cache: /home/alice/.cache/packed (mounted noexec), \
     /var/tmp (mounted noexec), /tmp (mounted noexec), \
     ram: unshare: Operation not permitted\n\
     hint: allow user namespaces for this program, or run it outside of the container or as root",
);
