//! User lands that are older than the machine's.

use std::path::Path;

use tests::{Change, Host, Nix, User};

use crate::debian::debian_11;
use crate::row::Expected::Runs;
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let row = |name, user: fn() -> User| {
        Row::new(name, Runs("relocate"), Runs("namespace"), move || {
            let change = Change::UserLand(debian_11());
            let machine = Machine::new(Host::changed(user(), Nix::Absent, &[change]));
            let version = machine.start(Path::new("/bin/cat")).arg("/etc/debian_version").run();
            assert!(version.stdout().starts_with("11."), "another user land: {version:?}");
            machine
        })
        .needing(&["debootstrap"])
    };
    vec![row("user, Debian 11", User::ordinary), row("root, Debian 11", User::root)]
}
