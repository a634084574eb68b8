//! Limits, masks and numbers.

use nix::sys::resource::Resource;
use tests::{Change, Host, Nix, Start, User};

use crate::row::Expected::Runs;
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        started("umask 077", |start| start.umask(0o077)),
        started("umask 000", |start| start.umask(0)),
        // redis needs more than 32, and raises the limit itself.
        started("RLIMIT_NOFILE 32", |start| start.limit(Resource::RLIMIT_NOFILE, 32, 64)),
        started("RLIMIT_AS 256 MiB", |start| {
            start.limit(Resource::RLIMIT_AS, 256 << 20, 256 << 20)
        }),
        Row::new("300 mounts", Runs("relocate"), Runs("namespace"), || {
            let places: Vec<String> =
                (0..300).map(|number| format!("/srv/mounts/{number}")).collect();
            let mount = |at: &String| Change::Mount {
                kind: "tmpfs",
                at: at.into(),
                options: String::new(),
            };
            let changes: Vec<Change> = places.iter().map(mount).collect();
            let host = Host::changed(User::ordinary(), Nix::Absent, &changes);
            places.into_iter().for_each(|place| drop(host.directory(place, 0o755)));
            Machine::new(host)
        }),
    ]
}

fn started(name: &'static str, prepare: fn(Start) -> Start) -> Row {
    Row::new(name, Runs("relocate"), Runs("namespace"), move || {
        Machine::new(Host::ordinary()).prepared(prepare)
    })
}
