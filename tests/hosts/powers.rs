//! Root without all of root's powers, as in a container.

use nix::errno::Errno;
use nix::libc::SYS_unshare;
use nix::mount::MsFlags;
use tests::{Change, Host, Nix, User};

use crate::filters::errno;
use crate::refusals::CONTAINED_ROOT_READ_ONLY;
use crate::row::Expected::{Installs, Runs};
use crate::row::{Machine, Row};

pub(crate) fn rows() -> Vec<Row> {
    let machine = |flags| {
        let root = Change::Flags("/".into(), flags);
        Machine::new(Host::changed(User::root(), Nix::Absent, &[root]))
    };
    let contained = move |name, fixed, flags| {
        Row::new(name, Runs("relocate"), fixed, move || {
            machine(flags).prepared(|start| {
                start.without_sys_admin().filter(&[SYS_unshare], errno(Errno::EPERM))
            })
        })
    };
    vec![
        Row::new("root, not CAP_SYS_ADMIN", Runs("relocate"), Runs("namespace"), move || {
            machine(MsFlags::empty()).prepared(|start| start.without_sys_admin())
        }),
        contained("root, contained", Installs, MsFlags::empty()),
        contained("root, contained, / read-only", CONTAINED_ROOT_READ_ONLY, MsFlags::MS_RDONLY),
    ]
}
