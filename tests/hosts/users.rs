//! Who runs the bundle, and what is at /nix.

use tests::{Host, Nix, User};

use crate::row::Expected::Runs;
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let row = |name, relocatable, fixed, user: fn() -> User, nix| {
        let make = move || Machine::new(Host::new(user(), nix));
        Row::new(name, Runs(relocatable), Runs(fixed), make)
    };
    let (user, root) = (User::ordinary, User::root);
    vec![
        row("user, no nix", "relocate", "namespace", user, Nix::Absent),
        row("user, empty store", "relocate", "namespace", user, Nix::Empty),
        row("user, other paths", "relocate", "namespace", user, Nix::OtherPaths),
        row("user, these paths", "host", "host", user, Nix::SamePaths),
        row("root, no nix", "relocate", "namespace", root, Nix::Absent),
        row("root, empty store", "relocate", "namespace", root, Nix::Empty),
        row("root, other paths", "relocate", "namespace", root, Nix::OtherPaths),
        row("root, these paths", "host", "host", root, Nix::SamePaths),
    ]
}
