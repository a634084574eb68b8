//! Another processor type, with pages of each size that it can have, in virtual machines.

use crate::machines::{AARCH64, AARCH64_16_KIB, AARCH64_64_KIB};
use crate::row::Expected::Runs;
use crate::row::Row;
use crate::virtual_machine::Shared;

pub(crate) fn rows() -> Vec<Row> {
    let machines = [
        (&AARCH64, 4096, ["user, aarch64", "root, aarch64"]),
        (&AARCH64_16_KIB, 16_384, ["user, aarch64, 16 KiB", "root, aarch64, 16 KiB"]),
        (&AARCH64_64_KIB, 65_536, ["user, aarch64, 64 KiB", "root, aarch64, 64 KiB"]),
    ];
    let rows = machines.into_iter().flat_map(|(model, page, [user, root])| {
        let machine = Shared::new(model);
        [row(&machine, page, user, "alice"), row(&machine, page, root, "root").only(ROOTS)]
    });
    rows.collect()
}

/// The machines are slow. Root differs in how it comes to a namespace.
const ROOTS: &[&str] = &["hello", "hello-fixed", "markov-fixed"];

fn row(machine: &Shared, page: u32, name: &'static str, user: &'static str) -> Row {
    let machine = machine.clone();
    let needed = machine.model.needed;
    Row::started(name, Runs("relocate"), Runs("namespace"), move |packed, log| {
        let mut machine = machine.renewed();
        machine.run(&has_pages_of(page)).expect_code(0);
        let command = format!("su -l {user} -c 'PACKED_LOG={log} {}'", packed.command(""));
        [0, 1].map(|_| {
            let ended = machine.run(&command);
            packed.check(&ended);
            ended
        })
    })
    .needing(needed)
}

/// The kernel says it to each program. getauxval(3): AT_PAGESZ is 6
fn has_pages_of(bytes: u32) -> String {
    format!("od -A n -t d8 -v /proc/self/auxv | grep -q '^ *6 *{bytes}$'")
}
