//! Home directories, and the other places for the cache.

use std::os::unix::fs::symlink;

use nix::errno::Errno;
use nix::libc::SYS_unshare;
use nix::mount::MsFlags;
use tests::{Change, Host, Nix, User};

use crate::filters::errno;
use crate::refusals::{NOTHING, NOTHING_FIXED};
use crate::row::Expected::{self, Runs, RunsFrom};
use crate::row::{Machine, Row};

/// A home of a user whose name has 20 characters: too long to rewrite references to its `.cache`.
const LONG: &str = "/home/abcdefghijklmnopqrst";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        at("HOME unset", ELSEWHERE, User::ordinary, |_| None),
        at("HOME missing", ELSEWHERE, User::ordinary, |_| Some("/home/nobody")),
        at("HOME a link", from("/home/link/.cache"), User::ordinary, |host| {
            host.directory("/srv/home", 0o700);
            symlink("/srv/home", host.outside("/home/link")).expect("make a link");
            Some("/home/link")
        }),
        at("user name of 20 letters", (ELSEWHERE.0, from(LONG).1), User::ordinary, |host| {
            host.directory(LONG, 0o700);
            Some(LONG)
        }),
        at("user, HOME of root", ELSEWHERE, User::ordinary, |_| Some("/root")),
        at("root, HOME of a user", ELSEWHERE, User::root, |host| {
            let home = host.directory("/home/alice", 0o700);
            User::ordinary().own(&host.outside(home)).expect("give it to a user");
            Some("/home/alice")
        }),
        home("HOME read-only", |_| flags("/home/alice", MsFlags::MS_RDONLY)),
        home("HOME noexec", |_| flags("/home/alice", MsFlags::MS_NOEXEC)),
        home("HOME on a full disk", |user| memory(user, "size=256k")),
        home("HOME without inodes", |user| memory(user, "nr_inodes=8")),
        Row::new("user, all noexec", RAM, RAM, || all(User::ordinary(), MsFlags::MS_NOEXEC)),
        Row::new("root, all noexec", RAM, RAM, || all(User::root(), MsFlags::MS_NOEXEC)),
        Row::new("user, all read-only", RAM, RAM, || all(User::ordinary(), MsFlags::MS_RDONLY)),
        Row::new("root, all read-only", RAM, RAM, || all(User::root(), MsFlags::MS_RDONLY)),
        Row::new("all noexec, unshare: EPERM", NOTHING, NOTHING_FIXED, || {
            all(User::ordinary(), MsFlags::MS_NOEXEC)
                .prepared(|start| start.filter(&[SYS_unshare], errno(Errno::EPERM)))
        }),
    ]
}

/// What is expected of bundles that can be relocated and of others.
type Both = (Expected, Expected);

/// Where the home directory can't hold the cache.
const ELSEWHERE: Both = from("/var/tmp/packed-");

/// Where no place can.
const RAM: Expected = Runs("ram");

const fn from(place: &'static str) -> Both {
    (RunsFrom("relocate", place), RunsFrom("namespace", place))
}

/// A host whose variable HOME has another value, or is not there.
fn at(
    name: &'static str,
    (relocatable, fixed): Both,
    user: fn() -> User,
    home: fn(&Host) -> Option<&'static str>,
) -> Row {
    Row::new(name, relocatable, fixed, move || {
        let host = Host::new(user(), Nix::Absent);
        let home = home(&host);
        Machine::new(host).prepared(move |start| match home {
            Some(home) => start.env("HOME", home),
            None => start.without_env("HOME"),
        })
    })
}

/// An ordinary user's host with something else at the home directory.
fn home(name: &'static str, change: fn(&User) -> Change) -> Row {
    Row::new(name, ELSEWHERE.0, ELSEWHERE.1, move || {
        let user = User::ordinary();
        let change = change(&user);
        Machine::new(Host::changed(user, Nix::Absent, &[change]))
    })
}

fn flags(at: &str, flags: MsFlags) -> Change {
    Change::Flags(at.into(), flags)
}

fn memory(user: &User, options: &str) -> Change {
    let options = format!("{options},mode=700,uid={},gid={}", user.uid, user.gid);
    Change::Mount { kind: "tmpfs", at: user.home().to_owned(), options }
}

/// A host on which no place can hold the cache.
fn all(user: User, change: MsFlags) -> Machine {
    let changes = ["/home", "/root", "/tmp", "/var/tmp"].map(|at| flags(at, change));
    Machine::new(Host::changed(user, Nix::Absent, &changes))
}
