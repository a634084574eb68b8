//! Namespaces that cannot be made, and those that the bundle is in already.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use nix::errno::Errno;
use nix::libc::{SYS_mount, SYS_unshare};
use nix::mount::MsFlags;
use tests::{Change, Host, Nix, User, UserNamespace};

use crate::filters::errno;
use crate::refusals::{
    APPARMOR, MAPS_EACCES, MAPS_EROFS, NO_MORE_IN_BUBBLEWRAP, SWITCHED_OFF, UNPRIVILEGED_OFF,
};
use crate::row::Expected::{self, Runs};
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let wrapped = |name, relocatable, fixed, wrapper: &'static [&'static str]| {
        Row::new(name, relocatable, fixed, || Machine::new(Host::ordinary()).under(wrapper))
    };
    vec![
        Row::new("user namespaces off", Runs("relocate"), SWITCHED_OFF, || {
            Machine::new(Host::ordinary()).prepared(|start| start.user_namespace(NO_FURTHER.file()))
        }),
        Row::new("id maps: EROFS", Runs("relocate"), MAPS_EROFS, || {
            let read_only = Change::Flags("/proc".into(), MsFlags::MS_RDONLY);
            Machine::new(Host::changed(User::ordinary(), Nix::Absent, &[read_only]))
        }),
        Row::new("id maps: EACCES", Runs("relocate"), MAPS_EACCES, || {
            Machine::new(Host::ordinary()).prepared(|start| {
                start.writable_only(&["/home", "/srv", "/tmp", "/var/tmp", "/dev"])
            })
        }),
        setting(
            "as on Ubuntu 24.04",
            ("apparmor_restrict_unprivileged_userns", "1\n"),
            SYS_mount,
            APPARMOR,
        ),
        setting(
            "as on Debian 10",
            ("unprivileged_userns_clone", "0\n"),
            SYS_unshare,
            UNPRIVILEGED_OFF,
        ),
        wrapped(
            "root of a user namespace",
            Runs("relocate"),
            Runs("namespace"),
            &["/usr/bin/unshare", "--map-root-user", "--mount"],
        ),
        wrapped(
            "in bubblewrap",
            Runs("relocate"),
            Runs("namespace"),
            &["/usr/bin/bwrap", "--dev-bind", "/", "/"],
        ),
        wrapped("in bubblewrap, all unshared", Runs("relocate"), Runs("namespace"), SANDBOX),
        wrapped(
            "in bubblewrap, no more",
            Runs("relocate"),
            NO_MORE_IN_BUBBLEWRAP,
            &["/usr/bin/bwrap", "--unshare-user", "--disable-userns", "--dev-bind", "/", "/"],
        ),
    ]
}

/// A host whose kernel refuses a call to ordinary users, and has a setting in /proc/sys/kernel that says why.
///
/// Not every kernel has the setting: a file stands for it, and a filter for what it does.
fn setting(name: &'static str, (file, value): (&str, &str), call: i64, fixed: Expected) -> Row {
    let settings = tempfile::tempdir().expect("make a directory");
    fs::set_permissions(settings.path(), Permissions::from_mode(0o755)).expect("set its mode");
    fs::write(settings.path().join(file), value).expect("write a file");
    Row::new(name, Runs("relocate"), fixed, move || {
        let bind = Change::Bind { source: settings.path().into(), at: "/proc/sys/kernel".into() };
        Machine::new(Host::changed(User::ordinary(), Nix::Absent, &[bind]))
            .prepared(move |start| start.filter(&[call], errno(Errno::EPERM)))
    })
}

/// A sandbox as people build them.
#[rustfmt::skip]
const SANDBOX: &[&str] = &[
    "/usr/bin/bwrap", "--unshare-all", "--share-net", "--ro-bind", "/", "/", "--dev", "/dev",
    "--proc", "/proc", "--tmpfs", "/tmp", "--bind", "/home", "/home", "--bind", "/srv", "/srv",
];

/// A user namespace with the machine's users, in which the kernel makes no more of them.
pub(crate) static NO_FURTHER: LazyLock<UserNamespace> =
    LazyLock::new(|| UserNamespace::prepared("echo 0 > /proc/sys/user/max_user_namespaces"));
