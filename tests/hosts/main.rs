//! The host matrix: every bundle on every host, as a table of the mode that was taken and the result.
//!
//! Each cell is a test called `host/bundle`. Rows are in the files named by what they are about. Those that need more
//! than `make test` installs are ignored tests: `make test-hosts` runs them.

// Test code: a harness that can't do its work stops the test, and says why.
#![allow(clippy::expect_used, clippy::print_stdout)]

/// Rows: aarch64, in virtual machines.
mod aarch64;
/// Rows: AppArmor, in a virtual machine.
mod apparmor;
/// The columns: bundles.
mod column;
/// Compositions as services, in the virtual machine.
mod compositions;
/// Rows: containers of podman and crun.
mod containers;
/// Files of Debian.
mod debian;
/// Rows: system calls that a filter refuses.
mod filters;
/// Rows: home directories, and other places for the cache.
mod homes;
/// An image with a bundle unpacked in it.
mod images;
/// Rows: Linux 5.10, in a virtual machine.
mod kernels;
/// Rows: resource limits, umasks and many mounts.
mod limits;
/// The virtual machines.
mod machines;
/// Rows: namespaces that cannot be made, and sandboxes.
mod namespaces;
/// Rows: system calls of older kernels.
mod older;
/// Rows: root without all of root's capabilities.
mod powers;
/// What the launcher says where it gives up.
mod refusals;
/// Rows: a chroot, an empty root, a root without /proc or /dev.
mod roots;
/// The rows: hosts, and what is expected there.
mod row;
/// Rows: services of systemd, in the virtual machine.
mod services;
/// The table that is printed.
mod table;
/// Rows: an older user land.
mod userlands;
/// Rows: root and ordinary users, with each kind of /nix.
mod users;
/// A virtual machine that runs.
mod virtual_machine;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use column::PACKED;
use machines::{DEBIAN_11, DEBIAN_13};
use row::Row;
use table::{Cell, Table};
use virtual_machine::Shared;

/// Services are waited for more than they work.
const THREADS: usize = 4;

fn rows(debian_11: &Shared) -> Vec<Row> {
    let topics = [
        users::rows,
        namespaces::rows,
        filters::rows,
        older::rows,
        roots::rows,
        homes::rows,
        limits::rows,
        powers::rows,
        containers::rows,
        userlands::rows,
        aarch64::rows,
    ];
    let own = topics.into_iter().flat_map(|rows| rows());
    let debian_13 = Shared::new(&DEBIAN_13);
    own.chain(kernels::rows(debian_11))
        .chain(services::rows(debian_11))
        .chain(apparmor::rows(&debian_13))
        .collect()
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let table = Arc::new(Table::new(PACKED.iter().map(|packed| packed.name).collect()));
    let machine = Shared::new(&DEBIAN_11);
    let mut trials = containers::proofs();
    trials.extend(images::trials());
    trials.extend(services::proofs(&machine));
    trials.extend(compositions::proofs(&machine));
    for (number, row) in rows(&machine).into_iter().enumerate() {
        let row = Arc::new(row);
        for packed in PACKED.iter().filter(|packed| row.has(packed)) {
            let (row, table) = (Arc::clone(&row), Arc::clone(&table));
            let name = format!("{}/{}", row.name, packed.name);
            let is_ignored = !row.needs.is_empty();
            let run = move || {
                let mut cell = Cell::new(&table, number, row.name, packed.name);
                row.check(packed, &mut cell);
                cell.passed();
                Ok(())
            };
            trials.push(Trial::test(name, run).with_ignored_flag(is_ignored));
        }
    }
    // What the trials share ends with the last of them.
    drop((table, machine));
    libtest_mimic::run(&arguments, trials).exit();
}
