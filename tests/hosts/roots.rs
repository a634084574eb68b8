//! Root file systems that lack what others have.

use std::slice;

use nix::mount::MsFlags;
use tests::{Change, Host, Nix, User};

use crate::refusals::{EMPTY_ROOT, EMPTY_ROOT_FIXED, USER_IN_CHROOT, WITHOUT_PROC};
use crate::row::Expected::{self, Installs, Lacks, Runs};
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let changed =
        |name, relocatable: Expected, fixed: Expected, user: fn() -> User, change: Change| {
            Row::new(name, relocatable, fixed, move || {
                Machine::new(Host::changed(user(), Nix::Absent, slice::from_ref(&change)))
            })
        };
    let empty = |name, relocatable: Expected, fixed: Expected, user: fn() -> User, flags| {
        Row::new(name, relocatable, fixed, move || {
            let host = Host::empty(user(), &[Change::Flags("/".into(), flags)]);
            host.directory("/", 0o755);
            Machine::new(host)
        })
    };
    let (user, root) = (User::ordinary, User::root);
    let (relocate, namespace, ram) = (Runs("relocate"), Runs("namespace"), Runs("ram"));
    let proc = |kind, options: &str| Change::Mount {
        kind,
        at: "/proc".into(),
        options: options.to_owned(),
    };
    let (none, read_only) = (MsFlags::empty(), MsFlags::MS_RDONLY);
    // No shell script gets far.
    let dev = Lacks("ram", "/dev/null: No such file or directory");
    let without_dev = |row: Row| row.except("markov", dev).except("markov-fixed", dev);
    vec![
        changed("user, in a chroot", relocate, USER_IN_CHROOT, user, Change::Chroot),
        changed("root, in a chroot", relocate, Installs, root, Change::Chroot),
        changed("user, no /proc", relocate, WITHOUT_PROC, user, proc("tmpfs", "")),
        changed("root, no /proc", relocate, namespace, root, proc("tmpfs", "")),
        changed("user, hidepid=2", relocate, namespace, user, proc("proc", "hidepid=2")),
        changed("root, hidepid=2", relocate, namespace, root, proc("proc", "hidepid=2")),
        empty("user, empty root", EMPTY_ROOT, EMPTY_ROOT_FIXED, user, none),
        empty("user, empty read-only root", EMPTY_ROOT, EMPTY_ROOT_FIXED, user, read_only),
        without_dev(empty("root, empty root", ram, ram, root, none)),
        without_dev(empty("root, empty read-only root", ram, ram, root, read_only)),
        Row::new("user, just /dev and /proc", ram, ram, || {
            let mount =
                |kind, at: &str| Change::Mount { kind, at: at.into(), options: String::new() };
            let changes = [mount("devtmpfs", "/dev"), mount("proc", "/proc")];
            let host = Host::empty(User::ordinary(), &changes);
            ["/dev", "/proc"].into_iter().for_each(|at| drop(host.directory(at, 0o755)));
            Machine::new(host)
        }),
    ]
}
